"""An index over many runs as one HTML file that works offline."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final
from urllib.parse import quote

from statefall.results.index import Entry
from statefall.results.overview.shares import NO_FAULT, Combination, Overview, RunShare, found_in
from statefall.results.pages import draw, script
from statefall.results.wording import number
from statefall.results.wording import share as percentage

INDEX: Final = "index.html"
REPORT: Final = "report.html"
HOTTEST: Final = 50
"""Percent of the colour of a loss where all are lost: text on it stays readable."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One run's share as it is shown: in the matrix and in a trend."""

    run: str
    experiment: str
    cluster: str
    verdict: str
    link: str
    label: str
    share: str
    counts: str
    interval: str
    notes: tuple[str, ...]
    heat: int
    percent: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A service behind a balancer; a list of tiles for each fault."""

    service: str
    balancer: str
    squares: tuple[tuple[Tile, ...], ...]


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in the list of runs."""

    run: str
    experiment: str
    cluster: str
    verdict: str
    started: str
    link: str
    lost: int
    at_fault: int
    headline: str
    command: str
    """What draws a report that is not there."""


@dataclass(frozen=True, slots=True)
class TrendLine:
    """One combination of an experiment over its runs, the oldest first; None where a run left it out."""

    title: str
    tiles: tuple[Tile | None, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """An experiment that ran more than once."""

    experiment: str
    runs: tuple[RunLine, ...]
    changed: tuple[str, ...]
    """What was another version or machine than in the run before, a line each."""
    lines: tuple[TrendLine, ...]


def render_overview(entries: Sequence[Entry], folder: Path) -> str:
    """The page of the runs in a folder, to lie in that folder: equal bytes for equal runs."""
    found = found_in(entries)
    lines = {entry.path: _line(entry, found) for entry in found.entries}
    faults = tuple(sorted({s.combination.fault for s in found.shares}, key=lambda f: (f == NO_FAULT, f)))
    page = draw(
        "index.html.j2",
        headline=_headline(found),
        faults=faults,
        matrix=_matrix(found, faults),
        runs=tuple(lines.values()),
        trends=_trends(found, lines),
        unread=[(entry.path.name, entry.headline) for entry in found.unread],
        experiments=sorted({entry.experiment for entry in found.entries}),
        clusters=sorted({entry.cluster for entry in found.entries}),
        verdicts=sorted({entry.verdict for entry in found.entries}),
        folder=folder.name,
        sheet=script("index.css"),
        script=script("index.js"),
    )
    # A folder's name need not be text: bytes that are none become question marks.
    return page.encode("utf-8", "replace").decode("utf-8")


def _headline(found: Overview) -> str:
    count = len(found.entries)
    if not count:
        return "No judged runs yet"
    runs = f"{number(count).capitalize()} run{'' if count == 1 else 's'}"
    experiments = len({entry.experiment for entry in found.entries})
    of = f"{number(experiments)} experiment{'' if experiments == 1 else 's'}"
    lossy = sum(share.lost + share.before > 0 for share in found.shares)
    return f"{runs} of {of}: {lossy} of {len(found.shares)} combinations lost sessions"


def _matrix(found: Overview, faults: Sequence[str]) -> tuple[MatrixRow, ...]:
    squares: dict[tuple[str, str], dict[str, list[Tile]]] = defaultdict(lambda: defaultdict(list))
    for share in found.shares:
        combination = share.combination
        squares[combination.service, combination.balancer][combination.fault].append(_tile(share))
    return tuple(
        MatrixRow(service, balancer, tuple(tuple(by_fault.get(fault, ())) for fault in faults))
        for (service, balancer), by_fault in sorted(squares.items(), key=lambda item: _place(item[0]))
    )


def _place(arm: tuple[str, str]) -> tuple[bool, bool, str, str]:
    """The twins before other services."""
    service, balancer = arm
    word = service.replace(",", " ").split(" ")[0]
    return word != "stateless", word != "stateful", service, balancer


def _tile(share: RunShare) -> Tile:
    entry, known = share.entry, share.at_fault > 0
    return Tile(
        run=entry.path.name,
        experiment=entry.experiment,
        cluster=entry.cluster,
        verdict=entry.verdict,
        link=_link(entry),
        label=f"{entry.path.name} ({entry.cluster})",
        share=percentage(share.lost, share.at_fault) if known else "-",
        counts=f"{share.lost:,} of {share.at_fault:,}" if known else "no sessions",
        interval=f"{100 * share.low:.0f} to {100 * share.high:.0f}%" if known else "",
        notes=_notes(share),
        heat=round(HOTTEST * share.share) if share.sound else 0,
        percent=round(100 * share.share, 1),
        low=round(100 * share.low, 1),
        high=round(100 * share.high, 1),
    )


def _notes(share: RunShare) -> tuple[str, ...]:
    return (
        *(() if share.sound else ("not sound",)),
        *((f"{share.before:,} lost before",) if share.before else ()),
        *((f"{share.wrong:,} with wrong state",) if share.wrong else ()),
    )


def _link(entry: Entry) -> str:
    """Beside the page; a folder's name is quoted, so that it is a path whatever it holds. Empty without."""
    return (
        f"./{quote(os.fsencode(entry.path.name), safe='')}/{REPORT}"
        if (entry.path / REPORT).is_file()
        else ""
    )


def _line(entry: Entry, found: Overview) -> RunLine:
    shares = [share for share in found.shares if share.entry.path == entry.path]
    return RunLine(
        run=entry.path.name,
        experiment=entry.experiment,
        cluster=entry.cluster,
        verdict=entry.verdict,
        started=entry.started_at,
        link=_link(entry),
        lost=sum(share.lost for share in shares),
        at_fault=sum(share.at_fault for share in shares),
        headline=entry.headline,
        command=f"statefall report {shlex.quote(entry.path.name)} --judge",
    )


def _trends(found: Overview, lines: dict[Path, RunLine]) -> tuple[Trend, ...]:
    by_experiment: dict[str, list[Entry]] = defaultdict(list)
    for entry in reversed(found.entries):
        by_experiment[entry.experiment].append(entry)
    drawn = [
        Trend(name, tuple(lines[e.path] for e in entries), _changed(entries), _trend_lines(entries, found))
        for name, entries in sorted(by_experiment.items())
        if len(entries) > 1
    ]
    return tuple(trend for trend in drawn if trend.lines)


def _trend_lines(entries: Sequence[Entry], found: Overview) -> tuple[TrendLine, ...]:
    """Of what at least two of the runs found."""
    tiles: dict[Combination, dict[Path, Tile]] = defaultdict(dict)
    wanted = {entry.path for entry in entries}
    for share in found.shares:
        if share.entry.path in wanted:
            tiles[share.combination][share.entry.path] = _tile(share)
    return tuple(
        TrendLine(_title(combination), tuple(by_run.get(entry.path) for entry in entries))
        for combination, by_run in tiles.items()
        if len(by_run) > 1
    )


def _title(combination: Combination) -> str:
    return f"{combination.service}, {combination.balancer}, {combination.fault}"


def _changed(entries: Sequence[Entry]) -> tuple[str, ...]:
    found = []
    for before, after in pairwise(entries):
        differences = list(_differences(before, after))
        if differences:
            found.append(f"{after.path.name}: " + "; ".join(differences))
    return tuple(found)


def _differences(before: Entry, after: Entry) -> Iterable[str]:
    old = before.summary.fingerprint if before.summary else {}
    new = after.summary.fingerprint if after.summary else {}
    if before.cluster != after.cluster:
        yield f"on {after.cluster}, before on {before.cluster}"
    for key in sorted(old.keys() & new.keys()):
        if old[key] != new[key]:
            yield f"{key.replace('_', ' ')} {new[key]}, before {old[key]}"
