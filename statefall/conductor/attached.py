"""One fault by hand on what runs somewhere already, carried out by the process that asks for it."""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from statefall.clusters.capabilities import needs_of_fault
from statefall.clusters.protocol import Cluster, PodTransition
from statefall.clusters.registry import RunDemand, entry_of, refuse_lacking
from statefall.conductor.choice import attaching_of
from statefall.conductor.control import FaultCommand
from statefall.conductor.fault_lines import FaultLines
from statefall.conductor.interrupts import EnoughSeen, OrderlyInterrupts, close_wholly
from statefall.faults.by_hand import CELL, FaultByHand, HandFault
from statefall.faults.schedule import schedule
from statefall.records.cells import PlannedCell
from statefall.records.clock import SleepingClock
from statefall.records.errors import InputError, RunInvalid
from statefall.records.events import Event
from statefall.records.faults import Hits
from statefall.records.service import AttachedWorkload, ServiceSpec
from statefall.records.terms import Balancer, StateDesign

STEP_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class AttachedTarget:
    """What is to be hit, and on which cluster."""

    cluster: str
    workload: AttachedWorkload
    confirmed: bool = False
    """Even in a namespace that does not carry the tool's label."""

    def demand(self, asked: HandFault) -> RunDemand:
        """What this fault asks of the cluster, as a run of one cell with it would."""
        replicas = attaching_of(self.cluster).replicas(RunDemand(services=(self._service,)))
        if asked.kind.takes_victims and asked.count > replicas:
            raise InputError(
                f"`{asked.kind}` of {asked.count} replicas: there are {replicas}", where="--count"
            )
        return RunDemand(
            replicas=replicas,
            drains=asked.kind.traits.hits is Hits.NODE,
            services=(self._service,),
            cells=(self._cell(asked, replicas),),
            confirmed=self.confirmed,
        )

    @property
    def _service(self) -> ServiceSpec:
        return ServiceSpec(name=self.workload.name, journey="", attached=self.workload)

    def _cell(self, asked: HandFault, replicas: int) -> PlannedCell:
        return PlannedCell(
            name=CELL,
            service=self.workload.name,
            state=StateDesign.UNKNOWN,
            balancer=Balancer.AS_FOUND,
            replicas=replicas,
            under_test=self._service,
            faults=schedule((asked,), replicas=replicas, seed=asked.seed),
        )


def strike(
    attachment: AttachedTarget, command: FaultCommand, *, clock: SleepingClock, say: Callable[[str], object]
) -> int:
    """Carry it out and tell what comes of it; 0. Raises StatefallError where it is refused or fails.

    What stands there is looked at first, and is afterwards as it was. A dry run only looks.
    """
    refuse_lacking(attachment.cluster, needs_of_fault(command.asked.kind))
    if command.asked.kind.traits.hits is Hits.STORE:
        raise InputError(f"`{command.asked.kind}` needs a store of the cluster's own", where="--cluster")
    demand = attachment.demand(command.asked)
    if command.dry_run:
        say(attaching_of(attachment.cluster).preview(replace(demand, confirmed=True)))
        if command.asked.pod:
            say(f"the victim is {command.asked.pod}, whatever its number")
        return 0
    failures: tuple[str, ...] = ()
    with tempfile.TemporaryDirectory(prefix="statefall-fault-") as folder, OrderlyInterrupts():
        cluster = entry_of(attachment.cluster).load().open_cluster(Path(folder), demand)
        try:
            cluster.open()
            cluster.deploy(demand.cells[0])
            failures = carry_out(cluster, command, clock=clock, say=say)
            cluster.withdraw()
        finally:
            close_wholly(cluster)
    if failures:
        raise RunInvalid("; ".join(failures))
    return 0


def carry_out(
    cluster: Cluster, command: FaultCommand, *, clock: SleepingClock, say: Callable[[str], object]
) -> tuple[str, ...]:
    """On an open cluster, until all is put back; why it failed, in words, or nothing.

    The first Ctrl-C or SIGTERM has what lasts put back at once.
    """
    lines = FaultLines()

    def keep(event: Event) -> None:
        if line := lines.of(event):
            say(line)

    enough: list[bool] = []
    seen: queue.SimpleQueue[PodTransition] = queue.SimpleQueue()
    unsubscribe = cluster.subscribe(seen.put)
    try:
        fault = FaultByHand(cluster, command.asked, "f1", keep, clock)
        say("\n".join(fault.touches()))
        with EnoughSeen(lambda: enough.append(True)):
            try:
                fault.begin()
                while not fault.over:
                    while not seen.empty():
                        fault.notice(seen.get())
                    if enough:
                        fault.stop()
                    fault.step()
                    clock.sleep(STEP_S)
            finally:
                fault.stop()
        return fault.failures
    finally:
        unsubscribe()
