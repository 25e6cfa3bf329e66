"""Counts every request and how long the answered ones took, for each phase of a cell.

The counts balance by construction of the moves, not of the sum: a request is scheduled once, and
then leaves `in_flight` by exactly one of completed, failed and dropped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from hdrh.histogram import HdrHistogram as _HdrHistogram

from statefall.records.verdicts import Answers, RequestCounts, RequestFailure

LOWEST_US: Final = 1
HIGHEST_US: Final = 60_000_000
DIGITS: Final = 3

FIRST_PHASE: Final = "warmup"


HdrHistogram: Any = _HdrHistogram
"""The library has no types."""


def new_histogram() -> Any:
    """An empty histogram of times: 1 us to 60 s, 3 significant digits."""
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


def encoded(histogram: Any) -> str:
    """The histogram as text (base64)."""
    text: bytes = histogram.encode()
    return text.decode("ascii")


def merged(histograms: list[str]) -> str:
    """One histogram that holds all of them, bucket for bucket."""
    total = new_histogram()
    for text in histograms:
        total.decode_and_add(text)
    return encoded(total)


@dataclass(slots=True)
class _Counts:
    scheduled: int = 0
    completed: int = 0
    failed: int = 0
    dropped: int = 0
    in_flight: int = 0
    failed_by: Counter[RequestFailure] = field(default_factory=Counter)

    def frozen(self) -> RequestCounts:
        return RequestCounts(
            self.scheduled, self.completed, self.failed, self.dropped, self.in_flight, dict(self.failed_by)
        )


@dataclass(slots=True)
class _Waits:
    degraded: int = 0
    slowest_s: float = 0.0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class TickCounts:
    """What happened between two ticks."""

    phase: str
    interval_s: float
    scheduled: int
    completed: int
    failed: int
    dropped: int
    in_flight: int
    logins: int
    histogram: str


@dataclass(slots=True)
class Recorder:
    """The counts of one load process."""

    phase: str = FIRST_PHASE
    operations: int = 0
    """Requests that went over the wire; each has an operation id of its own."""
    _phases: defaultdict[str, _Counts] = field(default_factory=lambda: defaultdict(_Counts))
    _histograms: defaultdict[str, Any] = field(default_factory=lambda: defaultdict(new_histogram))
    _waits: defaultdict[str, _Waits] = field(default_factory=lambda: defaultdict(_Waits))
    _since_tick: _Counts = field(default_factory=_Counts)
    _tick_histogram: Any = field(default_factory=new_histogram)
    _logins: int = 0

    def scheduled(self) -> str:
        """A request is due; returns the phase it belongs to, to be given back when it ends."""
        for counts in (self._phases[self.phase], self._since_tick):
            counts.scheduled += 1
            counts.in_flight += 1
        return self.phase

    def completed(self, phase: str, service_time_s: float, *, degraded: bool = False) -> None:
        """An answer below 500 came."""
        self._leave(phase).completed += 1
        self._waited(phase, service_time_s).degraded += degraded
        self._since_tick.completed += 1
        microseconds = min(max(round(service_time_s * 1e6), LOWEST_US), HIGHEST_US)
        self._histograms[phase].record_value(microseconds)
        self._tick_histogram.record_value(microseconds)

    def failed(self, phase: str, waited_s: float, how: RequestFailure) -> None:
        """5xx, no connection, no answer in time, or a broken connection; known after so long."""
        counts = self._leave(phase)
        counts.failed += 1
        counts.failed_by[how] += 1
        self._waited(phase, waited_s)
        self._since_tick.failed += 1

    def dropped(self, phase: str) -> None:
        """Due, but the load ended before anything was sent."""
        self._leave(phase).dropped += 1
        self._since_tick.dropped += 1

    def refused(self) -> None:
        """An answer below 500, counted as completed, was not what the shopper had asked for."""
        self._waits[self.phase].refused += 1

    def logged_in(self) -> None:
        """A login was answered with a new session."""
        self._logins += 1

    def tick(self, interval_s: float) -> TickCounts:
        """Close the interval since the last tick. `in_flight` is a level, all else counts."""
        counts = self._since_tick
        interval = TickCounts(
            phase=self.phase,
            interval_s=round(interval_s, 6),
            scheduled=counts.scheduled,
            completed=counts.completed,
            failed=counts.failed,
            dropped=counts.dropped,
            in_flight=counts.in_flight,
            logins=self._logins,
            histogram=encoded(self._tick_histogram),
        )
        self._since_tick = _Counts(in_flight=counts.in_flight)
        self._tick_histogram.reset()
        self._logins = 0
        return interval

    def by_phase(self) -> dict[str, RequestCounts]:
        """The counts of each phase in which a request was due."""
        return {phase: counts.frozen() for phase, counts in self._phases.items()}

    def histograms(self) -> dict[str, str]:
        """Service times of completed requests by phase, encoded."""
        return {phase: encoded(histogram) for phase, histogram in self._histograms.items()}

    def answers(self) -> dict[str, Answers]:
        """How the requests of each phase were answered."""
        return {
            phase: Answers(waits.degraded, round(waits.slowest_s, 6), waits.refused)
            for phase, waits in self._waits.items()
        }

    def _waited(self, phase: str, waited_s: float) -> _Waits:
        waits = self._waits[phase]
        waits.slowest_s = max(waits.slowest_s, waited_s)
        return waits

    def _leave(self, phase: str) -> _Counts:
        counts = self._phases[phase]
        counts.in_flight -= 1
        self._since_tick.in_flight -= 1
        return counts


def total(by_phase: dict[str, RequestCounts]) -> RequestCounts:
    """All phases together."""
    return RequestCounts.joined(by_phase.values())
