"""A run as JUnit XML: a suite for each cell, a case for each gate, and one for the cell's verdict."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from statefall.results.model import Cell, GateResult, Outcome, Summary
from statefall.results.wording import GATES, reason

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold in any way (its production 2, `Char`)."""


def junit(summary: Summary) -> str:
    """Failed is a failure; inconclusive, invalid and not decided are errors with the reason, never a pass."""
    root = Element("testsuites", name=_text(f"statefall {summary.experiment}"))
    run = _suite(root, summary.run, "")
    _verdict(run, summary.run, summary.verdict, (reason(summary),), partial=summary.partial)
    _total(run)
    for cell in summary.cells:
        suite = _suite(root, cell.name, summary.started_at)
        for gate in cell.gates:
            _gate(suite, cell, gate)
        _verdict(suite, cell.name, cell.verdict, (*cell.invalid_because, *cell.inconclusive_because))
        _total(suite)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, name: str, started_at: str) -> Element:
    suite = SubElement(root, "testsuite", name=_text(name))
    if started_at:
        suite.set("timestamp", _text(started_at))
    return suite


def _total(suite: Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(plural, str(len(suite.findall(f"testcase/{tag}"))))


def _case(suite: Element, where: str, name: str) -> Element:
    """Two of one name in a suite are one to those who read it: the later gets a number."""
    same = sum(case.get("name", "").partition(" #")[0] == _text(name) for case in suite.iter("testcase"))
    told = f"{name} #{same + 1}" if same else name
    return SubElement(suite, "testcase", classname=_text(where), name=_text(told))


def _gate(suite: Element, cell: Cell, gate: GateResult) -> None:
    limit = "" if gate.limit is None else f" {gate.limit:g}"
    case = _case(suite, cell.name, f"{gate.name.value}{limit}")
    measured = "nothing measured" if gate.measured is None else f"measured {gate.measured:g}"
    told = f"{GATES[gate.name]}{limit}: {measured} ({gate.note})"
    if not gate.applies:
        _add(case, "skipped", f"does not apply ({gate.note})")
    elif cell.verdict is Outcome.INVALID:
        _add(case, "error", f"the cell is invalid: {'; '.join(cell.invalid_because)}")
    elif gate.passed is None:
        _add(case, "error", f"not decided: {told}")
    elif not gate.passed:
        _add(case, "failure", told)


def _verdict(
    suite: Element, where: str, verdict: Outcome, because: tuple[str, ...], *, partial: bool = False
) -> None:
    """A case of its own: a cell can miss without any gate, and a gate's error may not stand alone."""
    case = _case(suite, where, "verdict")
    told = f"{verdict.value}: {'; '.join(because) or 'see the gates'}"
    if verdict is Outcome.FAILED:
        _add(case, "failure", told)
    elif verdict is not Outcome.PASSED:
        _add(case, "error", told)
    elif partial:
        _add(case, "error", "the run ended early")


def _add(case: Element, tag: str, message: str) -> None:
    SubElement(case, tag, message=_text(message))


def _text(value: str) -> str:
    return _NOT_XML.sub("\ufffd", value)
