"""Makes one record of what several load processes recorded. Pure; nothing is rounded on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final

from foundation.clock import Instant
from foundation.events import Event, Kind, event
from foundation.verdicts import Answers, LoadResult, RealtimeCounts, RequestCounts
from loadtests.recorder import HdrHistogram, merged

Tick = dict[str, Any]

SUMMED: Final = (
    "scheduled",
    "completed",
    "failed",
    "dropped",
    "in_flight",
    "logins",
    "live_sessions",
    "lost_so_far",
)
PATIENCE_TICKS: Final = 5
"""A process that lags so many ticks behind the others is not waited for; what it reports then is too late."""


def sum_counts(counts: Iterable[RequestCounts]) -> RequestCounts:
    """Several books as one."""
    books = list(counts)
    return RequestCounts(
        **{f.name: sum(getattr(book, f.name) for book in books) for f in fields(RequestCounts)}
    )


def sum_realtime(counts: Iterable[RealtimeCounts]) -> RealtimeCounts:
    """The WebSockets of several processes together."""
    books = list(counts)
    return RealtimeCounts(
        **{f.name: sum(getattr(book, f.name) for book in books) for f in fields(RealtimeCounts)}
    )


def merge_marks(marks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The live sessions of all processes at a mark."""
    by_boot: Counter[str] = Counter()
    for mark in marks:
        by_boot.update(mark["by_boot"])
    return {"live_sessions": by_boot.total(), "by_boot": dict(sorted(by_boot.items()))}


def merge_results(results: Sequence[LoadResult], faults: Sequence[str]) -> LoadResult:
    """The books of all processes as one. Histograms are added bucket for bucket."""
    by_phase: defaultdict[str, list[RequestCounts]] = defaultdict(list)
    histograms: defaultdict[str, list[str]] = defaultdict(list)
    told: defaultdict[str, Counter[str]] = defaultdict(Counter)
    answers: defaultdict[str, list[Answers]] = defaultdict(list)
    for result in results:
        for phase, counts in result.requests_by_phase.items():
            by_phase[phase].append(counts)
        for phase, histogram in result.histograms.items():
            histograms[phase].append(histogram)
        for phase, answer in result.answers_by_phase.items():
            answers[phase].append(answer)
        for replica, causes in result.told_lost.items():
            told[replica].update(causes)
    return LoadResult(
        requests=sum_counts(result.requests for result in results),
        requests_by_phase={phase: sum_counts(counts) for phase, counts in by_phase.items()},
        operations=sum(result.operations for result in results),
        sessions=tuple(session for result in results for session in result.sessions),
        told_lost={replica: dict(causes) for replica, causes in told.items()},
        histograms={phase: merged(texts) for phase, texts in histograms.items()},
        realtime=sum_realtime(result.realtime for result in results),
        answers_by_phase={phase: Answers.joined(given) for phase, given in answers.items()},
        generator_faults=(*(fault for result in results for fault in result.generator_faults), *faults),
    )


class TickMerger:
    """Joins the ticks of the same number from every process; a single process passes straight through."""

    def __init__(self, members: Iterable[str]) -> None:
        self._members = set(members)
        self._held: dict[int, dict[str, Tick]] = {}
        self._done = 0

    def add(self, member: str, tick: Tick) -> list[Event]:
        """Take a tick in; returns the events that it completes, in order."""
        if not self.late(tick):
            self._held.setdefault(tick["number"], {})[member] = tick
        return self._complete()

    def late(self, tick: Tick) -> bool:
        """Whether its event has gone out without it."""
        return int(tick["number"]) <= self._done

    def drop(self, member: str) -> list[Event]:
        """This process will report no more."""
        self._members.discard(member)
        return self._complete()

    def flush(self) -> list[Event]:
        """Everything that is held, complete or not."""
        return [self._emit(number) for number in sorted(self._held)]

    def _complete(self) -> list[Event]:
        events = []
        newest = max(self._held, default=0)
        for number in sorted(self._held):
            whole = self._members <= self._held[number].keys()
            if not whole and number > newest - PATIENCE_TICKS:
                break
            events.append(self._emit(number))
        return events

    def _emit(self, number: int) -> Event:
        self._done = max(self._done, number)
        return tick_event(list(self._held.pop(number).values()))


def tick_event(ticks: Sequence[Tick]) -> Event:
    """One event of the run from the ticks of all processes for the same second."""
    last = max(ticks, key=lambda tick: float(tick["monotonic_s"]))
    return event(
        Kind.TICK,
        Instant(last["monotonic_s"], last["wall_s"]),
        phase=last["phase"],
        interval_s=max(tick["interval_s"] for tick in ticks),
        **{name: sum(tick[name] for tick in ticks) for name in SUMMED},
        service_ms=_service_ms(merged([tick["histogram"] for tick in ticks])),
    )


def _service_ms(encoded: str) -> dict[str, float | None]:
    histogram = HdrHistogram.decode(encoded)
    if not histogram.get_total_count():
        return {"p50": None, "p90": None, "p99": None, "max": None}
    values = {f"p{p}": histogram.get_value_at_percentile(p) for p in (50, 90, 99)}
    return {name: value / 1000 for name, value in {**values, "max": histogram.get_max_value()}.items()}
