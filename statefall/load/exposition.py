"""What the load and the experiment are doing, as metrics for Prometheus.

Their names begin with `statefall_load_` and `statefall_chaos_`. Everything is read from the events
that the conductor reads too, so the two cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from statefall.records.events import Event, ServiceTimes, SessionLost, SessionStarted, Tick
from statefall.records.verdicts import Verdict

_OUTCOMES: Final = ("completed", "failed", "dropped")

Events = Callable[[int], tuple[list[Event], int]]
"""The events from a position on, and the position after the last."""


class Exposition(Collector):
    """The metrics of one load generator, in a registry of its own."""

    def __init__(self, events: Events, workers: Callable[[], int], phase: Callable[[], str]) -> None:
        self._events, self._workers, self._phase = events, workers, phase
        self._position = 0
        self._requests: Counter[str] = Counter(dict.fromkeys(_OUTCOMES, 0))
        self._lost: Counter[str] = Counter({v.value: 0 for v in Verdict if v is not Verdict.KEPT})
        self._started = 0
        self._faults = 0
        self._tick: Tick | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def fault(self) -> None:
        """A fault is about to be carried out."""
        self._faults += 1

    def text(self) -> bytes:
        """In the Prometheus text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Called by the registry at each scrape."""
        self._catch_up()
        requests = CounterMetricFamily("statefall_load_requests", "Requests by outcome.", labels=["outcome"])
        for outcome, count in self._requests.items():
            requests.add_metric([outcome], count)
        lost = CounterMetricFamily(
            "statefall_load_sessions_lost", "Findings of the ledger.", labels=["verdict"]
        )
        for verdict, count in self._lost.items():
            lost.add_metric([verdict], count)
        phase = GaugeMetricFamily("statefall_load_phase", "1 for the phase that runs.", labels=["phase"])
        phase.add_metric([self._phase()], 1)
        latency = GaugeMetricFamily(
            "statefall_load_service_seconds", "Of the last second's requests.", labels=["quantile"]
        )
        tick = self._tick
        times = tick.service_ms if tick else ServiceTimes()
        for quantile, milliseconds in (("0.5", times.p50), ("0.9", times.p90), ("0.99", times.p99)):
            if milliseconds is not None:
                latency.add_metric([quantile], milliseconds / 1000)
        return [
            requests,
            lost,
            phase,
            latency,
            CounterMetricFamily("statefall_load_sessions_started", "Sessions begun.", value=self._started),
            _gauge("statefall_load_in_flight", "Requests under way.", tick.in_flight if tick else 0),
            _gauge("statefall_load_live_sessions", "Sessions alive.", tick.live_sessions if tick else 0),
            _gauge("statefall_load_workers", "Load processes that are here.", self._workers()),
            CounterMetricFamily("statefall_chaos_faults", "Faults carried out.", value=self._faults),
        ]

    def _catch_up(self) -> None:
        found, self._position = self._events(self._position)
        for record in found:
            match record:
                case Tick():
                    self._tick = record
                    counts = {
                        "completed": record.completed,
                        "failed": record.failed,
                        "dropped": record.dropped,
                    }
                    self._requests.update(counts)
                case SessionLost():
                    self._lost[record.verdict.value] += 1
                case SessionStarted():
                    self._started += 1


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, value=value)
