"""What the load and the experiment are doing, as metrics for Prometheus.

Their names begin with `statefall_load_` and `statefall_chaos_`. Everything is read from the events
that the conductor reads too, so the two cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from foundation.events import Event, Kind
from foundation.verdicts import Verdict

_OUTCOMES: Final = ("completed", "failed", "dropped")
_QUANTILES: Final = {"p50": "0.5", "p90": "0.9", "p99": "0.99"}

Events = Callable[[int], tuple[list[Event], int]]
"""The events from a place on, and the place after the last."""


class Exposition(Collector):
    """The metrics of one load generator, in a registry of its own."""

    def __init__(self, events: Events, workers: Callable[[], int], phase: Callable[[], str]) -> None:
        self._events, self._workers, self._phase = events, workers, phase
        self._place = 0
        self._requests: Counter[str] = Counter(dict.fromkeys(_OUTCOMES, 0))
        self._lost: Counter[str] = Counter({v.value: 0 for v in Verdict if v is not Verdict.KEPT})
        self._started = 0
        self._faults = 0
        self._tick: Event = {}
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
        for name, quantile in _QUANTILES.items():
            milliseconds: Any = self._tick.get("service_ms", {}).get(name)
            if milliseconds is not None:
                latency.add_metric([quantile], milliseconds / 1000)
        return [
            requests,
            lost,
            phase,
            latency,
            CounterMetricFamily("statefall_load_sessions_started", "Sessions begun.", value=self._started),
            _gauge("statefall_load_in_flight", "Requests under way.", self._tick.get("in_flight", 0)),
            _gauge("statefall_load_live_sessions", "Sessions alive.", self._tick.get("live_sessions", 0)),
            _gauge("statefall_load_workers", "Load processes that are here.", self._workers()),
            CounterMetricFamily("statefall_chaos_faults", "Faults carried out.", value=self._faults),
        ]

    def _catch_up(self) -> None:
        found, self._place = self._events(self._place)
        for record in found:
            match record["kind"]:
                case Kind.TICK:
                    self._tick = record
                    self._requests.update({outcome: record[outcome] for outcome in _OUTCOMES})
                case Kind.SESSION_LOST:
                    self._lost[record["verdict"]] += 1
                case Kind.SESSION_STARTED:
                    self._started += 1


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)
