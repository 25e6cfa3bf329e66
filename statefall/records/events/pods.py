"""What was seen of the replicas, and what they said of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from statefall.records.events.base import InCell, Replica
from statefall.records.replica_metrics import SUMMED


@dataclass(frozen=True, slots=True, kw_only=True)
class PodChanged(InCell):
    """A transition of a pod, and the pod as it was then seen."""

    kind: ClassVar[str] = "pod"
    transition: str
    """created, ready, unready, container_exited, container_started, terminating, gone or endpoints."""
    pod: str
    uid: str
    address: str
    container_id: str
    restart_count: int
    ready: bool
    terminating: bool
    revision: str = ""
    node: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a replica had done and spent since its process began."""

    requests: int
    cpu_s: float
    overhead_cpu_s: dict[str, float]
    cache_lookups: dict[str, dict[str, int]]


def _less(now: int | None, before: int | None) -> int | None:
    return None if now is None else now - (before or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodScraped(InCell):
    """What a replica had counted since its process began."""

    kind: ClassVar[str] = "pod_metrics"
    pod: str
    uid: str = ""
    boot: str
    sessions_active: int
    sessions_created: int
    sessions_lost: dict[str, int]
    """cause -> distinct sessions that this process answered as lost."""
    operations: int | None = None
    """Null in a record of before it was kept, as are the fields that follow."""
    operations_repeated: int | None = None
    requests: int | None = None
    """Answered requests of shoppers."""
    cpu_s: float | None = None
    overhead_cpu_s: dict[str, float] = field(default_factory=dict)
    """part -> processor time."""
    cache_lookups: dict[str, dict[str, int]] = field(default_factory=dict)
    """cache -> result -> look-ups."""
    counted: dict[str, float] = field(default_factory=dict)
    """Metric -> value, of those that `statefall.records.replica_metrics` names."""

    @property
    def who(self) -> Replica:
        """The replica that said so."""
        return Replica(self.pod, self.boot)

    @property
    def spent(self) -> Spent | None:
        """What that cost; null in a record of before it was kept."""
        if self.requests is None or self.cpu_s is None:
            return None
        return Spent(self.requests, self.cpu_s, self.overhead_cpu_s, self.cache_lookups)

    def less(self, before: Self) -> Self:
        """What was counted since; gauges, and what cost is taken from, are as they are."""
        lost = {cause: n - before.sessions_lost.get(cause, 0) for cause, n in self.sessions_lost.items()}
        return replace(
            self,
            sessions_created=self.sessions_created - before.sessions_created,
            sessions_lost=lost,
            operations=_less(self.operations, before.operations),
            operations_repeated=_less(self.operations_repeated, before.operations_repeated),
            requests=_less(self.requests, before.requests),
            counted={
                name: value - (before.counted.get(name, 0.0) if name in SUMMED else 0.0)
                for name, value in self.counted.items()
            },
        )

    @property
    def lost_total(self) -> int:
        """Over all causes."""
        return sum(self.sessions_lost.values())
