"""A comparison in words: for the terminal, as Markdown for a pull request, and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from statefall.results.compare.changes import (
    LEVEL,
    ComparedCell,
    Comparison,
    Difference,
    Direction,
    Pair,
    Reading,
)
from statefall.results.compare.statistics import COVERAGE

SCHEMA: Final = "statefall/comparison/v1"
HEADINGS: Final = ("cell", "figure", "before", "after", "change", "")
_ALWAYS: Final = "lost"
"""The figure that every cell shows, whatever became of it."""


# -- single figures ---------------------------------------------------------------------------------


def reading(value: Reading, unit: str) -> str:
    """`33 of 99 (33.3%)`, or `2.41 ms`."""
    if value.trials is None:
        return f"{figure(value.value)} {unit}".replace(" /s", "/s")
    return f"{value.hits:,.0f} of {value.trials:,.0f} ({percent(value.value)})"


def interval(value: Reading, unit: str) -> str:
    """`24.2% to 43.5%`, or a dash."""
    if value.low is None or value.high is None:
        return "-"
    if value.trials is None:
        return f"{figure(value.low)} to {figure(value.high)} {unit}".replace(" /s", "/s")
    return f"{percent(value.low)} to {percent(value.high)}"


def change(finding: Difference) -> str:
    """How it moved, with its interval: `+1.4 points (0.6 to 2.4)`, `+21% (12% to 30%)`."""
    if finding.is_share:
        gap = 100.0 * (finding.after.value - finding.before.value)
        low, high = 100.0 * (finding.low or 0.0), 100.0 * (finding.high or 0.0)
        return f"{_signed(gap, 1)} points ({_signed(low, 1)} to {_signed(high, 1)})"
    ratio = 100.0 * (finding.after.value / finding.before.value - 1.0)
    if finding.low is None or finding.high is None:
        return f"{_signed(ratio, 0)}%"
    low, high = 100.0 * (finding.low - 1.0), 100.0 * (finding.high - 1.0)
    return f"{_signed(ratio, 0)}% ({_signed(low, 0)}% to {_signed(high, 0)}%)"


def figure(value: float) -> str:
    """With three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def percent(share: float) -> str:
    """With one decimal."""
    return f"{100.0 * share:.1f}%"


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return text.lstrip("+-") if not float(text) else text


# -- the whole --------------------------------------------------------------------------------------


def headline(comparison: Comparison) -> str:
    """What there is to say first, in one sentence."""
    worse, better = len(comparison.regressions), len(comparison.with_change(Direction.BETTER))
    refused = len(comparison.refused)
    parts = [
        f"{_number(worse, 'figure')} got worse beyond the noise"
        if worse
        else "No regression: nothing got worse beyond the noise"
    ]
    parts += [f"{_number(better, 'figure')} got better"] if better else []
    parts += [f"{_number(refused, 'cell')} could not be compared"] if refused else []
    return "; ".join(parts) + "."


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def rule(comparison: Comparison) -> str:
    """How sure the words are."""
    return (
        f"{_number(comparison.tests, 'figure')} tested; Holm's correction keeps the chance that runs of the "
        f"same are said to differ anywhere below {LEVEL:.0%}. Intervals: {COVERAGE:.0%}."
    )


def sentence(cell: ComparedCell, finding: Difference) -> str:
    """A change in words."""
    before, after = (reading(each, finding.unit) for each in (finding.before, finding.after))
    word = finding.change.value
    return f"{cell.title}: {finding.title} {word}: {before} before, {after} after, {change(finding)}"


def shown(cell: ComparedCell, *, everything: bool = False) -> tuple[Difference, ...]:
    """The findings of the short table: what changed, and what was lost in any case."""
    changed = {Direction.WORSE, Direction.BETTER}
    return tuple(f for f in cell.findings if everything or f.change in changed or f.key == _ALWAYS)


def row(cell: ComparedCell, finding: Difference) -> tuple[str, ...]:
    """Under `HEADINGS`."""
    return (
        cell.title,
        finding.title,
        reading(finding.before, finding.unit),
        reading(finding.after, finding.unit),
        change(finding),
        finding.change.value,
    )


def left_out(pair: Pair, *, everything: bool) -> str:
    """What the short table does not show, in a line; empty where it shows all."""
    hidden = [
        finding
        for cell in pair.cells
        for finding in cell.findings
        if finding not in shown(cell, everything=everything)
    ]
    counts = {word: sum(f.change is word for f in hidden) for word in Direction}
    told = ", ".join(f"{count} {word.value}" for word, count in counts.items() if count)
    return f"not shown: {told} (--all shows them)" if told else ""


def plain(comparison: Comparison, *, everything: bool = False) -> str:
    """For a terminal, a log or a file."""
    lines = [headline(comparison), rule(comparison)]
    for pair in comparison.pairs:
        lines += ["", f"before: {pair.before.summary.run}", f"after:  {pair.after.summary.run}"]
        lines += [f"  {line}" for line in pair.surroundings]
        rows = [row(c, f) for c in pair.cells for f in shown(c, everything=everything)]
        lines += ["", *_aligned([HEADINGS, *rows])] if rows else []
        lines += [f"not compared: {cell.title}: {cell.refused}" for cell in pair.cells if cell.refused]
        lines += [text] if (text := left_out(pair, everything=everything)) else []
    return "\n".join(lines) + "\n"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(each[i]) for each in rows) for i in range(len(HEADINGS))]
    return [
        "  ".join(value.ljust(width) for value, width in zip(each, widths, strict=True)).rstrip()
        for each in rows
    ]


def markdown(comparison: Comparison, *, everything: bool = False) -> str:
    """For a pull request: the sentence, the changes, and the rest folded."""
    lines = [f"### {_md(headline(comparison))}", "", _md(rule(comparison))]
    for pair in comparison.pairs:
        lines += ["", f"{_md(pair.before.summary.run)} → {_md(pair.after.summary.run)}", ""]
        lines += [f"- {_md(line)}" for line in pair.surroundings]
        lines += [f"- not compared: {_md(c.title)}: {_md(c.refused)}" for c in pair.cells if c.refused]
        rows = [row(c, f) for c in pair.cells for f in shown(c, everything=everything)]
        hidden = [
            row(c, f) for c in pair.cells for f in c.findings if f not in shown(c, everything=everything)
        ]
        lines += _md_table(rows)
        if hidden:
            lines += ["", f"<details><summary>{len(hidden)} other figures</summary>", ""]
            lines += [*_md_table(hidden), "", "</details>"]
    return "\n".join(lines) + "\n"


def _md_table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    listed = list(rows)
    if not listed:
        return []
    head = [*HEADINGS[:-1], "verdict"]
    return ["", _md_row(head), _md_row(["---"] * len(head)), *(_md_row(map(_md, each)) for each in listed)]


def _md_row(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"


def _md(text: str) -> str:
    """Text that stays text: neither Markdown nor HTML, nor the end of a table's cell."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("\\", "\\\\")
    for sign in "|`*_[]#@":
        escaped = escaped.replace(sign, f"\\{sign}")
    return " ".join(escaped.split())


def document(comparison: Comparison) -> dict[str, Any]:
    """As plain data; times in the units that stand beside them, shares from 0 to 1, changes of others as
    ratios."""
    return {
        "schema": SCHEMA,
        "headline": headline(comparison),
        "tests": comparison.tests,
        "level": LEVEL,
        "regressions": [sentence(cell, finding) for _, cell, finding in comparison.regressions],
        "pairs": [_pair(pair) for pair in comparison.pairs],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "before": pair.before.summary.run,
        "after": pair.after.summary.run,
        "surroundings": list(pair.surroundings),
        "cells": [
            {
                "cell": cell.title,
                "repeats": list(cell.repeats),
                "refused": cell.refused,
                "findings": [asdict(finding) for finding in cell.findings],
            }
            for cell in pair.cells
        ],
    }
