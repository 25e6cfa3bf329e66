"""Reads what a replica says of itself: its sessions and its costs, from the Prometheus text format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from statefall.records import contract
from statefall.records.clock import Instant
from statefall.records.events import PodScraped
from statefall.records.replica_metrics import KEPT

PROBES: Final = frozenset({contract.LIVE, contract.READY, contract.METRICS})
"""Routes that no shopper asks for."""


@dataclass(frozen=True, slots=True)
class PodMetrics:
    """What one replica had counted at one moment."""

    boot: str
    sessions_active: int
    sessions_created: int
    sessions_lost: dict[str, int]
    """cause -> distinct sessions that this process answered as lost."""
    operations: int
    """Operations that came with an id of their own: sent once, seen once."""
    operations_repeated: int
    """Operations whose id had been seen before: something repeated the request on its way."""
    requests: int
    """Answered requests of shoppers."""
    cpu_s: float
    """Processor time of the process, for whatever it did."""
    overhead_cpu_s: dict[str, float]
    """part -> processor time that requests spent on what a session would have had at hand."""
    cache_lookups: dict[str, dict[str, int]]
    """cache -> result (hit, miss, stale, unavailable) -> look-ups."""
    counted: dict[str, float]
    """Metric -> value over all labels, of those named in `statefall.records.replica_metrics`, where not 0.

    One that is not available, such as the store's sessions while the store is away, is left out.
    """

    def event(self, at: Instant, *, cell: str, pod: str, uid: str) -> PodScraped:
        """As an event of a run."""
        return PodScraped(
            at=at,
            cell=cell,
            pod=pod,
            uid=uid,
            boot=self.boot,
            sessions_active=self.sessions_active,
            sessions_created=self.sessions_created,
            sessions_lost=self.sessions_lost,
            operations=self.operations,
            operations_repeated=self.operations_repeated,
            requests=self.requests,
            cpu_s=self.cpu_s,
            overhead_cpu_s=self.overhead_cpu_s,
            cache_lookups=self.cache_lookups,
            counted=self.counted,
        )


def parse(text: str) -> PodMetrics:
    """What a scrape tells. A metric that is absent counts 0.

    Raises ValueError on other text, and when a figure that the books need is not finite: it is not
    available then, which is not 0.
    """
    boot, lost, requests = "", {}, 0
    totals: dict[str, float] = {}
    overhead: dict[str, float] = {}
    lookups: dict[str, dict[str, int]] = {}
    operations = {"no": 0, "yes": 0}
    counted: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in KEPT and sample.value:
                counted[sample.name] = counted.get(sample.name, 0.0) + sample.value
            match sample.name:
                case "statefall_replica_info":
                    boot = sample.labels.get("boot", "")
                case "statefall_sessions_lost_total" if sample.value:
                    lost[sample.labels.get("cause", "")] = int(_finite(sample))
                case "statefall_operations_total":
                    operations[sample.labels.get("repeated", "no")] = int(_finite(sample))
                case "statefall_requests_total" if sample.labels.get("route") not in PROBES:
                    requests += int(_finite(sample))
                case "statefall_overhead_cpu_seconds_total":
                    overhead[sample.labels.get("part", "")] = _finite(sample)
                case "statefall_cache_requests_total":
                    results = lookups.setdefault(sample.labels.get("cache", ""), {})
                    results[sample.labels.get("result", "")] = int(_finite(sample))
                case (
                    "statefall_sessions_active"
                    | "statefall_sessions_created_total"
                    | "process_cpu_seconds_total"
                ):
                    totals[sample.name] = _finite(sample)
    return PodMetrics(
        boot=boot,
        sessions_active=int(totals.get("statefall_sessions_active", 0)),
        sessions_created=int(totals.get("statefall_sessions_created_total", 0)),
        sessions_lost=lost,
        operations=operations["no"],
        operations_repeated=operations["yes"],
        requests=requests,
        cpu_s=totals.get("process_cpu_seconds_total", 0.0),
        overhead_cpu_s=overhead,
        cache_lookups=lookups,
        # Of several labels one that is not available makes their sum so too.
        counted={name: value for name, value in counted.items() if math.isfinite(value)},
    )


def _finite(sample: Sample) -> float:
    if not math.isfinite(sample.value):
        raise ValueError(f"{sample.name} is not available: {sample.value}")
    return float(sample.value)
