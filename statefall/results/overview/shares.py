"""What each run found of each combination: a share of sessions with its interval. Nothing is drawn here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from statefall.records.errors import InputError
from statefall.records.terms import Service
from statefall.results import wording
from statefall.results.compare.measures import COUNTED
from statefall.results.compare.statistics import Share, exact_interval
from statefall.results.index import Entry
from statefall.results.model import Cell, Outcome, Summary
from statefall.results.table import in_order

NO_FAULT: Final = "no fault"
_OF: Final = {counted.key: counted.of for counted in COUNTED}


@dataclass(frozen=True, slots=True)
class Combination:
    """What a square of the matrix stands for."""

    service: str
    """With its state design, and its variant where it has one."""
    balancer: str
    fault: str


@dataclass(frozen=True, slots=True)
class RunShare:
    """What one run found of one combination, its repeats together."""

    entry: Entry
    combination: Combination
    lost: int
    at_fault: int
    low: float
    high: float
    """Ends of the exact 95 % interval of the share, 0 to 1."""
    wrong: int
    """Sessions that were answered with wrong state."""
    before: int
    """Sessions lost before the fault."""
    sound: bool
    """No cell of it is invalid or inconclusive."""

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.lost / self.at_fault if self.at_fault else 0.0


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything in a folder of runs: what could be read, and what could not."""

    entries: tuple[Entry, ...]
    """Judged runs, the newest first."""
    shares: tuple[RunShare, ...]
    """In the order of the terms, the newest first within a combination."""
    unread: tuple[Entry, ...]
    """Damaged or without a verdict; the headline says why."""


def found_in(entries: Sequence[Entry]) -> Overview:
    """A run whose counts contradict each other is as unreadable as one that is no JSON."""
    judged: list[Entry] = []
    unread: list[Entry] = []
    shares: list[RunShare] = []
    for entry in entries:
        if entry.summary is None:
            unread.append(entry)
            continue
        try:
            shares += _shares(entry, entry.summary)
        except InputError as error:
            unread.append(entry.unreadable(str(error)))
        else:
            judged.append(entry)
    return Overview(tuple(judged), tuple(shares), tuple(unread))


def _shares(entry: Entry, summary: Summary) -> list[RunShare]:
    cells: dict[Combination, list[Cell]] = defaultdict(list)
    for cell in in_order(summary.cells):
        _refuse_contradiction(entry, cell)
        cells[_combination(cell)].append(cell)
    return [_pooled(entry, combination, each) for combination, each in cells.items()]


def _refuse_contradiction(entry: Entry, cell: Cell) -> None:
    if not 0 <= cell.sessions.lost <= cell.sessions.at_fault:
        raise InputError(
            f"{cell.sessions.lost} of {cell.sessions.at_fault} sessions lost in {cell.name}",
            where=str(entry.path),
            hint=f"`statefall report {entry.path} --judge` judges the record again",
        )


def _combination(cell: Cell) -> Combination:
    state = "" if cell.service != Service.STATEFUL else f" ({cell.state.value})"
    variant = f", {cell.variant}" if cell.variant else ""
    fault = NO_FAULT if not cell.faults else wording.kinds(cell)
    return Combination(f"{cell.service}{state}{variant}", cell.balancer.value, fault)


def _pooled(entry: Entry, combination: Combination, cells: Sequence[Cell]) -> RunShare:
    trials = [_OF["lost"](cell) for cell in cells]
    low, high = exact_interval(Share(sum(s.hits for s in trials), sum(s.trials for s in trials)))
    unsound = (Outcome.INVALID, Outcome.INCONCLUSIVE)
    return RunShare(
        entry=entry,
        combination=combination,
        lost=sum(cell.sessions.lost for cell in cells),
        at_fault=sum(cell.sessions.at_fault for cell in cells),
        low=low,
        high=high,
        wrong=round(sum(_OF["wrong_state"](cell).hits for cell in cells)),
        before=sum(cell.lost_before_fault for cell in cells),
        sound=not any(cell.verdict in unsound for cell in cells),
    )
