"""A comparison as one HTML file that works offline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from statefall.results.compare import text
from statefall.results.compare.changes import ComparedCell, Comparison, Difference, Direction, Pair
from statefall.results.pages import draw, script

_TONES: Final = {Direction.WORSE: "worse", Direction.BETTER: "better"}


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One figure of one cell as the page shows it."""

    cell: str
    title: str
    before: str
    before_interval: str
    after: str
    after_interval: str
    change: str
    word: str
    tone: str
    note: str


@dataclass(frozen=True, slots=True)
class PairView:
    """One run against another."""

    before: str
    after: str
    surroundings: tuple[str, ...]
    refused: tuple[ComparedCell, ...]
    figures: tuple[str, ...]
    rows: tuple[ChangeRow, ...]


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A change in the page's first lines."""

    text: str
    tone: str


def render_comparison(comparison: Comparison) -> str:
    """The page as text: equal bytes for equal comparisons."""
    changed = [*comparison.regressions, *comparison.with_change(Direction.BETTER)]
    return draw(
        "compare.html.j2",
        experiment=comparison.pairs[0].before.summary.experiment,
        headline=text.headline(comparison),
        rule=text.rule(comparison),
        changes=[ChangeLine(text.sentence(c, f), _TONES[f.change]) for _, c, f in changed],
        pairs=[_view(pair) for pair in comparison.pairs],
        changes_known=[word.value for word in Direction],
        script=script("pages.js"),
    )


def _view(pair: Pair) -> PairView:
    rows = tuple(_row(cell, finding) for cell in pair.cells for finding in cell.findings)
    return PairView(
        pair.before.summary.run,
        pair.after.summary.run,
        pair.surroundings,
        tuple(cell for cell in pair.cells if cell.refused),
        tuple(dict.fromkeys(row.title for row in rows)),
        rows,
    )


def _row(cell: ComparedCell, finding: Difference) -> ChangeRow:
    return ChangeRow(
        cell=cell.title,
        title=finding.title,
        before=text.reading(finding.before, finding.unit),
        before_interval=text.interval(finding.before, finding.unit),
        after=text.reading(finding.after, finding.unit),
        after_interval=text.interval(finding.after, finding.unit),
        change=text.change(finding),
        word=finding.change.value,
        tone=_TONES.get(finding.change, "quiet"),
        note=finding.note,
    )
