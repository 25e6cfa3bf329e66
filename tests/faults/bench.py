"""The executor of faults on a fake cluster, driven as a cell drives it."""

from __future__ import annotations

import queue
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from statefall.clusters.protocol import Pod, PodTransition
from statefall.faults.execute import FaultExecutor
from statefall.faults.journal import Journal
from statefall.records.cells import CellSpec
from statefall.records.events import Event, FaultEvent, Victim
from statefall.records.faults import FaultKind, PlannedFault
from statefall.records.terms import Balancer, Service, StateDesign
from tests.fakes.clock import VirtualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.script import Script

E = TypeVar("E", bound=FaultEvent)
STEP_S = 0.05


def planned(kind: FaultKind, **given: Any) -> PlannedFault:
    """A fault at the phase's beginning whose victim is the second pod, where it takes one."""
    drawn = {"ordinals": (1,)} if kind.takes_victims else {}
    usual = {"fault": "f1", "at_s": 0.0, "ordinals": (), "count": 1, "grace_s": None, "duration_s": 3.0}
    return PlannedFault(kind=kind, **{**usual, **drawn, **given})


@dataclass(slots=True)
class Bench:
    """Three ready replicas and the faults that they are to meet."""

    faults: tuple[PlannedFault, ...]
    cluster: FakeCluster = field(default_factory=lambda: FakeCluster(VirtualClock()))
    journal: list[FaultEvent] = field(default_factory=list)
    run: FaultExecutor = field(init=False)
    began_s: float = field(init=False)
    _seen: queue.SimpleQueue[PodTransition] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        deployment = CellSpec("c1", Service.STATEFUL, StateDesign.MEMORY, Balancer.STICKY, 3)
        self.cluster.deploy(deployment)
        self.cluster.subscribe(self._seen.put)
        self.script.calls.clear()
        self.run = FaultExecutor(
            cluster=self.cluster,
            journal=Journal("c1", self._keep, self.cluster.clock),
            clock=self.cluster.clock,
            replicas=3,
            before_act=self._mark,
            planned=self.faults,
        )
        self.began_s = self.cluster.clock().monotonic_s

    @property
    def script(self) -> Script:
        return self.cluster.script

    def go(self, seconds: float) -> None:
        """Go on for so long."""
        for _ in range(round(seconds / STEP_S)):
            self.step()
            self.cluster.clock.sleep(STEP_S)

    def step(self) -> None:
        self._notice()
        self.run.due(self.cluster.clock().monotonic_s - self.began_s)
        self._notice()
        self.run.check()

    def of(self, kind: type[E], fault: str = "f1") -> list[E]:
        """What the journal says of this fault in events of this kind."""
        return [event for event in self.journal if isinstance(event, kind) and event.fault == fault]

    def one(self, kind: type[E], fault: str = "f1") -> E:
        """The only such event."""
        (event,) = self.of(kind, fault)
        return event

    def seconds(self, event: FaultEvent) -> float:
        """When it happened, from the beginning of the fault phase."""
        return round(event.at_s - self.began_s, 3)

    def ready(self) -> list[str]:
        return [pod.name for pod in self.cluster.pods() if pod.ready]

    def _notice(self) -> None:
        while not self._seen.empty():
            self.run.notice(self._seen.get())

    def _keep(self, event: Event) -> None:
        assert isinstance(event, FaultEvent)
        self.journal.append(event)
        self.script.calls.append(f"{event.kind} {event.fault}")

    def _mark(self, fault: PlannedFault, targets: tuple[Pod, ...]) -> None:
        self.script.call("mark", " ".join([fault.fault, *(pod.name for pod in targets)]))


def names(victims: Iterable[Victim]) -> list[str]:
    return [victim.pod for victim in victims]
