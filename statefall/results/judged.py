"""A run as it was judged: what `summary.json` says, and all that the report draws beside it."""

from __future__ import annotations

from dataclasses import dataclass

from statefall.records.causes import Cause
from statefall.records.events import SessionLost
from statefall.records.verdicts import LoadResult
from statefall.results.model import Cell, Summary
from statefall.results.timeline import CellTimeline


@dataclass(frozen=True, slots=True)
class JudgedLoss:
    """A finding of the ledger against a session, and why that happened."""

    loss: SessionLost
    cause: Cause
    by_time: str = ""
    """For a cause by time alone: how long after which fault it was seen."""


@dataclass(frozen=True, slots=True)
class JudgedCell:
    """A cell, what it was judged from, and each finding with its cause."""

    cell: Cell
    timeline: CellTimeline
    load: LoadResult | None
    """Null where the cell ended before its books were closed."""
    losses: tuple[JudgedLoss, ...]
    """In the order of being found, as `timeline.losses`."""


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """The summary and, in the same order, the judged cells that it is made of."""

    summary: Summary
    cells: tuple[JudgedCell, ...]
