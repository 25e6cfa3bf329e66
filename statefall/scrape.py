"""Reads what a replica says of itself: its session metrics, from the Prometheus text format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class PodMetrics:
    """The session metrics of one replica at one moment."""

    boot: str
    sessions_active: int
    sessions_created: int
    sessions_lost: dict[str, int]
    """cause -> distinct sessions that this process answered as lost."""
    operations: int
    """Operations that came with an id of their own: sent once, seen once."""
    operations_repeated: int
    """Operations whose id had been seen before: something repeated the request on its way."""

    def record(self) -> dict[str, Any]:
        """The fields of a `pod_metrics` event."""
        return {
            "boot": self.boot,
            "sessions_active": self.sessions_active,
            "sessions_created": self.sessions_created,
            "sessions_lost": self.sessions_lost,
            "operations": self.operations,
            "operations_repeated": self.operations_repeated,
        }


def parse(text: str) -> PodMetrics:
    """The session metrics in a scrape. A metric that is absent counts 0. Raises ValueError on other text."""
    boot, lost = "", {}
    totals: dict[str, float] = {}
    operations = {"no": 0, "yes": 0}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            match sample.name:
                case "statefall_replica_info":
                    boot = sample.labels.get("boot", "")
                case "statefall_sessions_lost_total":
                    lost[sample.labels.get("cause", "")] = int(sample.value)
                case "statefall_operations_total":
                    operations[sample.labels.get("repeated", "no")] = int(sample.value)
                case "statefall_sessions_active" | "statefall_sessions_created_total":
                    totals[sample.name] = sample.value
    return PodMetrics(
        boot=boot,
        sessions_active=int(totals.get("statefall_sessions_active", 0)),
        sessions_created=int(totals.get("statefall_sessions_created_total", 0)),
        sessions_lost=lost,
        operations=operations["no"],
        operations_repeated=operations["yes"],
    )
