"""The runs of a folder as one HTML file that works offline: what was lost, by combination, and over time."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from statefall.records.errors import InputError
from statefall.records.terms import Service
from statefall.results.compare.statistics import Share, exact_interval
from statefall.results.headline import sentences
from statefall.results.index import Entry, runs
from statefall.results.model import Cell, Summary
from statefall.results.pages import draw, script
from statefall.results.record import REPORT
from statefall.results.stored import StoredRun
from statefall.results.wording import fault_name

NO_FAULT: Final = "no fault"
_WIDTH, _HEIGHT = 220.0, 46.0
ArmKey = tuple[str, str]
"""Service with its state and variant, and how it was disturbed: balancer and fault."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost of the sessions alive at the fault; of repeats, all together."""

    lost: int
    at_fault: int
    wrong: int
    verdicts: tuple[str, ...]

    @property
    def _share(self) -> Share:
        return Share(self.lost, self.at_fault)

    @property
    def percent(self) -> float:
        """Of the sessions alive at the fault, 0 to 100."""
        return 100.0 * self._share.value if self.at_fault else 0.0

    @property
    def text(self) -> str:
        """In figures."""
        return f"{self.percent:.0f} %" if self.at_fault else "none alive"

    @property
    def counted(self) -> str:
        """In counts."""
        return f"{self.lost} of {self.at_fault}"

    @property
    def bounds(self) -> tuple[float, float]:
        """The exact binomial interval at 95 %, in percent."""
        low, high = exact_interval(self._share)
        return 100.0 * low, 100.0 * high

    @property
    def interval(self) -> str:
        """The same in figures."""
        low, high = self.bounds
        return f"{low:.0f} to {high:.0f} %" if self.at_fault else ""


@dataclass(frozen=True, slots=True)
class Run:
    """A judged run, with where its report lies, seen from the page."""

    entry: Entry
    summary: Summary
    href: str
    title: str
    sentences: tuple[str, ...]

    def losses(self) -> dict[ArmKey, Loss]:
        """By combination."""
        found: dict[ArmKey, list[Cell]] = defaultdict(list)
        for cell in self.summary.cells:
            found[_who(cell), _how(cell)].append(cell)
        return {key: _loss(cells) for key, cells in found.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a heat map."""

    who: str
    losses: tuple[Loss | None, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The losses of one run."""

    run: Run
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One run in a trend; x and y in the units of its picture."""

    x: float
    y: float
    low: float
    high: float
    told: str


@dataclass(frozen=True, slots=True)
class Trend:
    """One combination of an experiment over its runs, the oldest first."""

    title: str
    points: tuple[Point, ...]
    told: str

    @property
    def line(self) -> str:
        """The points as a line in SVG."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


def render_index(folder: Path, page: Path) -> tuple[str, tuple[str, ...]]:
    """The page as text, and a line for each run that cannot be shown. `page`: where it will lie.

    Raises InputError when there is no such folder.
    """
    entries = runs(folder)
    found, left_out = _readable(entries, page)
    newest = _newest(found)
    text = draw(
        "results.html.j2",
        folder=folder.name or str(folder),
        runs=found,
        maps=[_heat_map(run) for run in newest],
        trends=_trends(found),
        cells=[(run, cell, _loss([cell])) for run in found for cell in run.summary.cells],
        who=_who,
        how=_how,
        left_out=left_out,
        script=script("pages.js") + script("sorting.js"),
        size=(_WIDTH, _HEIGHT),
    )
    return text, left_out


def _readable(entries: Iterable[Entry], page: Path) -> tuple[list[Run], tuple[str, ...]]:
    found, left_out = [], []
    for entry in entries:
        if entry.verdict in {"unreadable", "unfinished"}:
            left_out.append(f"{entry.path}: {entry.headline}")
            continue
        try:
            summary = StoredRun(entry.path).summary()
        except InputError as error:  # it was whole a moment ago
            left_out.append(f"{entry.path}: {error}")
            continue
        found.append(Run(entry, summary, _href(entry.path, page), _title(entry), sentences(summary)))
    return found, tuple(left_out)


def _title(entry: Entry) -> str:
    return f"{entry.experiment} on {entry.cluster}, {entry.started_at[:10]}"


def _href(path: Path, page: Path) -> str:
    """The run's report, else what tells of it, else nothing."""
    for name in (REPORT, "README.md"):
        if (path / name).is_file():
            return quote(os.path.relpath((path / name).resolve(), page.resolve().parent))
    return ""


def _newest(found: Iterable[Run]) -> list[Run]:
    """The newest run of each experiment on each cluster, as they stand in the folder."""
    seen: dict[tuple[str, str], Run] = {}
    for run in found:
        if run.summary.cells:
            seen.setdefault((run.summary.experiment, run.summary.cluster), run)
    return list(seen.values())


def _heat_map(run: Run) -> HeatMap:
    losses = run.losses()
    columns = tuple(dict.fromkeys(how for _, how in sorted(losses, key=lambda key: key[1])))
    names = tuple(dict.fromkeys(who for who, _ in sorted(losses)))
    rows = tuple(Row(who, tuple(losses.get((who, how)) for how in columns)) for who in names)
    return HeatMap(run, columns, rows)


def _trends(found: Sequence[Run]) -> list[Trend]:
    """Of every combination that was measured at least twice on the same cluster."""
    series: dict[tuple[str, str, ArmKey], list[tuple[Run, Loss]]] = defaultdict(list)
    for run in reversed(found):
        for key, loss in run.losses().items():
            if loss.at_fault:
                series[run.summary.experiment, run.summary.cluster, key].append((run, loss))
    return [
        Trend(f"{name} on {cluster}: {who}, {how}", _points(several), _told(several))
        for (name, cluster, (who, how)), several in sorted(series.items(), key=lambda each: each[0])
        if len(several) > 1
    ]


def _points(several: Sequence[tuple[Run, Loss]]) -> tuple[Point, ...]:
    step = _WIDTH / len(several)

    def place(percent: float) -> float:
        return 3.0 + (_HEIGHT - 6.0) * (1.0 - percent / 100.0)

    return tuple(
        Point(
            x=step * (index + 0.5),
            y=place(loss.percent),
            low=place(loss.bounds[0]),
            high=place(loss.bounds[1]),
            told=f"{run.entry.started_at[:10]}: {loss.counted} ({loss.interval})",
        )
        for index, (run, loss) in enumerate(several)
    )


def _told(several: Sequence[tuple[Run, Loss]]) -> str:
    return "; ".join(
        f"{run.entry.started_at[:10]}: {loss.counted} ({loss.interval})" for run, loss in several
    )


def _loss(cells: Iterable[Cell]) -> Loss:
    several = tuple(cells)
    return Loss(
        lost=sum(cell.sessions.lost for cell in several),
        at_fault=sum(cell.sessions.at_fault for cell in several),
        wrong=sum(_wrong(cell) for cell in several),
        verdicts=tuple(dict.fromkeys(cell.verdict.value for cell in several)),
    )


def _wrong(cell: Cell) -> int:
    found = cell.sessions
    return found.foreign + found.rolled_back + found.duplicated + found.misrouted


def _who(cell: Cell) -> str:
    state = f" ({cell.state.value})" if cell.service == Service.STATEFUL else ""
    variant = f", {cell.variant}" if cell.variant else ""
    return f"{cell.service}{state}{variant}"


def _how(cell: Cell) -> str:
    faults = ", ".join(fault_name(fault.kind) for fault in cell.faults) or NO_FAULT
    return f"{cell.balancer.value}, {faults}"
