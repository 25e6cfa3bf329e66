"""`statefall export`: tables, JUnit XML and OpenMetrics text, as those who read them read them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from statefall.cli.main import invoke
from statefall.content import PUBLISHED
from statefall.records.errors import InputError
from statefall.results.export.junit import junit
from statefall.results.export.openmetrics import openmetrics
from statefall.results.export.tables import FlatTable, csv_text, tables
from statefall.results.model import Cell, Outcome, Summary
from statefall.results.stored import StoredRun

DOCS = Path(__file__).resolve().parents[2] / "docs" / "exports.md"
NASTY = "\x00</testcase><script>alert(1)</script>]]> \"'&\n\\ \ud800"
RECORDS = sorted(path.parent for path in PUBLISHED.glob("*/events.jsonl"))


@pytest.fixture
def summary() -> Summary:
    return StoredRun(PUBLISHED / "default").summary()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def parsed(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def with_cell(summary: Summary, **changes: Any) -> Summary:
    return replace(summary, cells=(replace(summary.cells[0], **changes), *summary.cells[1:]))


def suite(summary: Summary, cell: Cell) -> Element:
    (found,) = [s for s in fromstring(junit(summary)) if s.get("name") == cell.name]
    return found


def found(summary: Summary, tag: str) -> list[str]:
    """Names of the cases in the first cell's suite that have such an end."""
    cases = suite(summary, summary.cells[0]).iter("testcase")
    return [case.get("name", "") for case in cases if case.find(tag) is not None]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_every_published_run_is_exported_in_every_format(record: Path, tmp_path: Path) -> None:
    formats = [word for kind in ("csv", "junit", "openmetrics") for word in ("--format", kind)]
    assert invoke(["export", str(record), *formats, "-o", str(tmp_path)]) == 0
    summary = StoredRun(record).summary()
    cells = {cell.name: cell for cell in summary.cells}
    told = read(tmp_path / "cells.csv")
    assert {row["cell"]: int(row["lost"]) for row in told} == {n: c.sessions.lost for n, c in cells.items()}
    assert len(read(tmp_path / "gates.csv")) == sum(len(cell.gates) for cell in summary.cells)
    fromstring((tmp_path / "junit.xml").read_text())
    families = {f.name: f for f in parsed((tmp_path / "metrics.txt").read_text())}
    lost = {
        s.labels["cell"]: s.value
        for s in families["statefall_sessions"].samples
        if s.labels["session"] == "lost"
    }
    assert lost == {name: cell.sessions.lost for name, cell in cells.items()}


def test_findings_have_their_cause(tmp_path: Path) -> None:
    assert invoke(["export", str(PUBLISHED / "default"), "--format", "csv", "-o", str(tmp_path)]) == 0
    rows = [r for r in read(tmp_path / "findings.csv") if r["cell"] == "c1-stateful-memory-sticky"]
    assert [row["cause"] for row in rows] == ["pod_killed"] * 33


def test_the_documentation_names_every_file(tmp_path: Path, summary: Summary) -> None:
    named = set(re.findall(r"^\| `(\w+)\.csv`", DOCS.read_text(), re.MULTILINE))
    assert named == {table.name for table in tables(summary, ())}
    metrics = set(re.findall(r"`(statefall_\w+)`", DOCS.read_text()))
    families = parsed(openmetrics(summary, where="here"))
    assert metrics == {family.name for family in families}


def test_a_sound_run_has_neither_failures_nor_errors(summary: Summary) -> None:
    root = fromstring(junit(summary))
    assert root.findall(".//failure") == root.findall(".//error") == []
    names = [case.get("name") for case in suite(summary, summary.cells[0]).iter("testcase")]
    assert len(names) == len(set(names)) == len(summary.cells[0].gates) + 1


def test_a_failed_gate_is_a_failure(summary: Summary) -> None:
    gates = summary.cells[0].gates
    failed = with_cell(summary, gates=(replace(gates[0], passed=False), *gates[1:]), verdict=Outcome.FAILED)
    assert found(failed, "failure") == ["no_unexplained_loss", "verdict"]
    assert found(failed, "error") == []
    assert suite(failed, failed.cells[0]).get("failures") == "2"


def test_what_was_not_decided_is_an_error_with_its_reason(summary: Summary) -> None:
    gates = summary.cells[0].gates
    unclear = with_cell(
        summary,
        gates=(replace(gates[0], passed=None, note="nobody knows"), *gates[1:]),
        verdict=Outcome.INCONCLUSIVE,
        inconclusive_because=("the machine was busy",),
    )
    assert found(unclear, "error") == ["no_unexplained_loss", "verdict"]
    assert "nobody knows" in junit(unclear)
    assert "the machine was busy" in junit(unclear)


def test_no_gate_of_an_invalid_cell_passes(summary: Summary) -> None:
    invalid = with_cell(summary, verdict=Outcome.INVALID, invalid_because=("a worker was lost",))
    assert len(found(invalid, "error")) == len(summary.cells[0].gates) + 1


def test_a_gate_that_does_not_apply_is_skipped(summary: Summary) -> None:
    gates = summary.cells[0].gates
    other = with_cell(summary, gates=(replace(gates[0], applies=False, passed=None), *gates[1:]))
    assert found(other, "skipped") == ["no_unexplained_loss"]


def test_a_run_that_ended_early_is_no_pass(summary: Summary) -> None:
    assert len(fromstring(junit(replace(summary, partial=True))).findall(".//error")) == 1


def test_text_of_a_record_is_text(summary: Summary) -> None:
    hostile = replace(
        with_cell(summary, name=NASTY, service=NASTY, variant=NASTY), run=NASTY, experiment=NASTY
    )
    root = fromstring(junit(hostile).encode())
    assert root.find(".//script") is None
    assert "<script>alert(1)</script>" in (root[0].get("name") or "")
    plain = replace(hostile, run='a"b\\c\nd', experiment="<script>", cells=summary.cells)
    (first, *_) = parsed(openmetrics(plain, where="here"))
    assert first.samples[0].labels["run"] == plain.run


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1"])
def test_no_text_is_a_formula_and_figures_stay(text: str) -> None:
    table = FlatTable("a", ("x", "y", "z"), ((text, -1, None),))
    rows = list(csv.reader(io.StringIO(csv_text(table), newline="")))
    assert rows == [["x", "y", "z"], [f"'{text}", "-1", ""]]


def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, summary: Summary, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, unjudged, out = tmp_path / "damaged", tmp_path / "unjudged", tmp_path / "out"
    for folder in (damaged, unjudged):
        folder.mkdir()
        (folder / "run.json").write_bytes((PUBLISHED / "default" / "run.json").read_bytes())
    (damaged / "summary.json").write_text(summary.to_json()[:500])
    for run in (damaged, unjudged, tmp_path / "nowhere"):
        assert invoke(["export", str(run), "--format", "junit", "--format", "csv", "-o", str(out)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()


def test_a_start_that_is_no_time_is_refused(summary: Summary) -> None:
    with pytest.raises(InputError, match="started_at is 'soon'"):
        openmetrics(replace(summary, started_at="soon"), where="here")
