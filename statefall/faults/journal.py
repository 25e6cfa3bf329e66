"""The journal of a fault: intent, act, observed effect and recovery, each written when it happens.

The intent is on disk before the act, so that a conductor that dies in between leaves a record of
what it was about to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from statefall.clusters.protocol import Pod
from statefall.records.clock import Clock, Instant
from statefall.records.events import (
    Event,
    FaultActed,
    FaultFailed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    Victim,
)
from statefall.records.faults import PlannedFault

Sink = Callable[[Event], None]


def named(pods: Sequence[Pod]) -> tuple[Victim, ...]:
    """Victims as the journal names them."""
    return tuple(Victim(pod.name, pod.uid, pod.container_id) for pod in pods)


@dataclass(frozen=True, slots=True)
class Journal:
    """Writes the records of one cell's faults to a sink that keeps them."""

    cell: str
    sink: Sink
    clock: Clock

    def intent(self, fault: PlannedFault, victims: Sequence[Pod]) -> None:
        """What will be done, and to whom."""
        self.sink(
            FaultIntended(
                at=self.clock(),
                cell=self.cell,
                fault=fault.fault,
                fault_kind=fault.kind.value,
                planned_at_s=fault.at_s,
                count=fault.count,
                victims=named(victims),
            )
        )

    def act(self, fault: PlannedFault) -> None:
        """The moment just before the call."""
        self.sink(FaultActed(at=self.clock(), cell=self.cell, fault=fault.fault))

    def observed(self, fault: PlannedFault, effect: str, victims: Sequence[Pod], at: Instant) -> None:
        """What was seen to happen because of it."""
        hit = named(victims)
        self.sink(FaultObserved(at=at, cell=self.cell, fault=fault.fault, effect=effect, victims=hit))

    def recovered(self, fault: PlannedFault, ready_replicas: int, at: Instant) -> None:
        """Every replica that should be there is ready again."""
        self.sink(FaultRecovered(at=at, cell=self.cell, fault=fault.fault, ready_replicas=ready_replicas))

    def failed(self, fault: PlannedFault, reason: str) -> None:
        """The act failed, or nothing was seen to happen: the run is invalid."""
        self.sink(FaultFailed(at=self.clock(), cell=self.cell, fault=fault.fault, reason=reason))
