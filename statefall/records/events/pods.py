"""What was seen of the replicas, and what they said of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from statefall.records.events.base import InCell, Replica


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

    @property
    def lost_total(self) -> int:
        """Over all causes."""
        return sum(self.sessions_lost.values())
