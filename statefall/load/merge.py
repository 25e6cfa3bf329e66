"""Makes one record of what several load processes recorded. Pure; nothing is rounded on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Final

from statefall.load.messages import Mark, ProcessTick
from statefall.load.recorder import HdrHistogram, merged
from statefall.records.events import ServiceTimes, Tick
from statefall.records.verdicts import Answers, LoadResult, RealtimeCounts, RequestCounts

MAX_LAG_TICKS: Final = 5
"""A process that lags so many ticks behind the others is not waited for; what it reports then is too late."""


def sum_realtime(counts: Iterable[RealtimeCounts]) -> RealtimeCounts:
    """The WebSockets of several processes together."""
    several = list(counts)
    return RealtimeCounts(
        **{f.name: sum(getattr(each, f.name) for each in several) for f in fields(RealtimeCounts)}
    )


def merge_marks(marks: Iterable[Mark]) -> Mark:
    """The live sessions of all processes at a mark."""
    by_boot: Counter[str] = Counter()
    for mark in marks:
        by_boot.update(mark.by_boot)
    return Mark(by_boot.total(), dict(sorted(by_boot.items())))


def merge_results(results: Sequence[LoadResult], faults: Sequence[str]) -> LoadResult:
    """What all processes recorded, as one. Histograms are added bucket for bucket."""
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
        requests=RequestCounts.joined(result.requests for result in results),
        requests_by_phase={phase: RequestCounts.joined(counts) for phase, counts in by_phase.items()},
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

    def __init__(self, cell: str, workers: Iterable[str]) -> None:
        self._cell = cell
        self._workers = set(workers)
        self._held: dict[int, dict[str, ProcessTick]] = {}
        self._done = 0

    def add(self, worker: str, tick: ProcessTick) -> list[Tick]:
        """Take a tick in; returns the events that it completes, in order."""
        if not self.late(tick):
            self._held.setdefault(tick.number, {})[worker] = tick
        return self._complete()

    def late(self, tick: ProcessTick) -> bool:
        """Whether its event has gone out without it."""
        return tick.number <= self._done

    def drop(self, worker: str) -> list[Tick]:
        """This process will report no more."""
        self._workers.discard(worker)
        return self._complete()

    def flush(self) -> list[Tick]:
        """Everything that is held, complete or not."""
        return [self._emit(number) for number in sorted(self._held)]

    def _complete(self) -> list[Tick]:
        events = []
        newest = max(self._held, default=0)
        for number in sorted(self._held):
            whole = self._workers <= self._held[number].keys()
            if not whole and number > newest - MAX_LAG_TICKS:
                break
            events.append(self._emit(number))
        return events

    def _emit(self, number: int) -> Tick:
        self._done = max(self._done, number)
        return tick_event(self._cell, list(self._held.pop(number).values()))


def tick_event(cell: str, ticks: Sequence[ProcessTick]) -> Tick:
    """One event of the run from the ticks of all processes for the same second."""
    last = max(ticks, key=lambda tick: tick.at.monotonic_s)
    parts = [tick.interval for tick in ticks]
    return Tick(
        at=last.at,
        cell=cell,
        phase=last.interval.phase,
        interval_s=max(part.interval_s for part in parts),
        scheduled=sum(part.scheduled for part in parts),
        completed=sum(part.completed for part in parts),
        failed=sum(part.failed for part in parts),
        dropped=sum(part.dropped for part in parts),
        in_flight=sum(part.in_flight for part in parts),
        logins=sum(part.logins for part in parts),
        live_sessions=sum(tick.live_sessions for tick in ticks),
        lost_so_far=sum(tick.lost_so_far for tick in ticks),
        service_ms=_service_times(merged([part.histogram for part in parts])),
        cpu_pressure=max((p for tick in ticks if (p := tick.cpu_pressure) is not None), default=None),
    )


def _service_times(encoded: str) -> ServiceTimes:
    histogram = HdrHistogram.decode(encoded)
    if not histogram.get_total_count():
        return ServiceTimes()
    p50, p90, p99 = (histogram.get_value_at_percentile(p) / 1000 for p in (50, 90, 99))
    return ServiceTimes(p50, p90, p99, histogram.get_max_value() / 1000)
