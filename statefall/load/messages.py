"""What the processes of the load and the conductor say to each other, and its JSON."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from statefall.codec import Codec, Events
from statefall.load.recorder import TickCounts
from statefall.records.clock import Instant
from statefall.records.verdicts import LoadResult


@dataclass(frozen=True, slots=True)
class Mark:
    """The ledger at a fault."""

    live_sessions: int
    by_boot: dict[str, int]
    """`pod/boot` -> sessions."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether all load processes are here, and what time it is there."""

    ready: bool
    workers: int
    monotonic_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class EventsAfter:
    """The events from the place that was asked for on, and the place after the last."""

    events: Events
    next: int


@dataclass(frozen=True, slots=True)
class HistoryAfter:
    """The lines of the history from the place that was asked for on, and the place after the last."""

    lines: tuple[str, ...]
    next: int


@dataclass(frozen=True, slots=True)
class ProcessTick:
    """The interval of one load process, on its own clock until it is shifted."""

    number: int
    at: Instant
    live_sessions: int
    lost_so_far: int
    interval: TickCounts
    cpu_pressure: float | None = None
    """See `Tick.cpu_pressure`."""

    def shifted(self, offset_s: float) -> ProcessTick:
        """The same on a clock that is so far ahead."""
        return replace(self, at=self.at.shifted(offset_s))


@dataclass(frozen=True, slots=True)
class Report:
    """What a load process has to tell, on its own clock."""

    events: Events = ()
    tick: ProcessTick | None = None
    history: tuple[str, ...] = ()
    """Lines; see `statefall.ledger.history`."""


INSTANT: Final = Codec[Instant](Instant)
READINESS: Final = Codec[Readiness](Readiness)
MARKED: Final = Codec[Mark](Mark)
EVENTS_AFTER: Final = Codec[EventsAfter](EventsAfter)
HISTORY_AFTER: Final = Codec[HistoryAfter](HistoryAfter)
RESULT: Final = Codec[LoadResult](LoadResult)
REPORTED: Final = Codec[Report](Report)
CLOCK_S: Final = Codec[float](float)
DONE: Final = Codec[bool](bool)
