"""The journal of a fault: intent, act, observed effect and recovery, each written when it happens.

The intent is on disk before the act, so that a conductor that dies in between leaves a record of
what it was about to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.faults import PlannedFault
from clusters.protocol import Pod
from foundation.clock import Clock, Instant
from foundation.events import Event, Kind, event

Sink = Callable[[Event], None]


def named(pods: Sequence[Pod]) -> list[dict[str, str]]:
    """Victims as the journal names them."""
    return [{"pod": pod.name, "uid": pod.uid, "container_id": pod.container_id} for pod in pods]


@dataclass(frozen=True, slots=True)
class Journal:
    """Writes the records of one cell's faults to a sink that keeps them."""

    cell: str
    sink: Sink
    clock: Clock

    def intent(self, fault: PlannedFault, victims: Sequence[Pod]) -> None:
        """What will be done, and to whom."""
        self._write(
            Kind.FAULT_INTENT,
            fault,
            fault_kind=fault.kind.value,
            planned_at_s=fault.at_s,
            count=fault.count,
            victims=named(victims),
        )

    def act(self, fault: PlannedFault) -> None:
        """The moment just before the call."""
        self._write(Kind.FAULT_ACT, fault)

    def observed(self, fault: PlannedFault, effect: str, victims: Sequence[Pod], at: Instant) -> None:
        """What was seen to happen because of it."""
        self._write(Kind.FAULT_OBSERVED, fault, at, effect=effect, victims=named(victims))

    def recovered(self, fault: PlannedFault, ready_replicas: int, at: Instant) -> None:
        """Every replica that should be there is ready again."""
        self._write(Kind.FAULT_RECOVERED, fault, at, ready_replicas=ready_replicas)

    def failed(self, fault: PlannedFault, reason: str) -> None:
        """The act failed, or nothing was seen to happen: the run is invalid."""
        self._write(Kind.FAULT_FAILED, fault, reason=reason)

    def _write(self, kind: Kind, fault: PlannedFault, at: Instant | None = None, **fields: Any) -> None:
        self.sink(event(kind, at or self.clock(), cell=self.cell, fault=fault.fault, **fields))
