"""Runs one cell: deploys the service, lets the shoppers in, brings the faults, closes the books."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chaos.execute import Faults
from chaos.faults import PlannedFault
from chaos.journal import Journal
from clusters.protocol import Cluster, ClusterError, Deployment, Pod, PodTransition
from foundation.clock import Clock
from foundation.events import Event, Kind, event
from foundation.terms import Service
from foundation.verdicts import LoadResult
from loadtests.channel import LoadChannel, LoadGeneratorError
from loadtests.config import LoadConfig
from statefall.experiment import Experiment
from statefall.plan import PlannedCell
from statefall.scrape import parse

STEP_S = 0.05
LOAD_EVERY_S = 0.5
SCRAPE_EVERY_S = 1.0

OpenChannel = Callable[[str], LoadChannel]


@dataclass(slots=True)
class CellRun:
    """One cell on a cluster. `record` keeps an event; everything happens on the caller's thread."""

    cell: PlannedCell
    experiment: Experiment
    cluster: Cluster
    open_channel: OpenChannel
    keep: Callable[[Event], None]
    clock: Clock
    _transitions: queue.SimpleQueue[PodTransition] = field(default_factory=queue.SimpleQueue)
    _faults: Faults = field(init=False)
    _channel: LoadChannel = field(init=False)

    def run(self) -> LoadResult | None:
        """The whole cell; None when its load generator was lost, which is on record then.

        Raises StatefallError when it cannot be run. Leaves nothing deployed.
        """
        cell = self.cell
        self._record(
            Kind.CELL_STARTED,
            service=cell.service.value,
            state=cell.state.value,
            balancer=cell.balancer.value,
            replicas=cell.replicas,
            repeat=cell.repeat,
            variant=cell.variant,
        )
        unsubscribe = self.cluster.subscribe(self._transitions.put)
        try:
            self.cluster.deploy(self._deployment())
            self._channel = self.open_channel(self.cluster.start_load(self._load_config().to_json()))
            try:
                return self._under_load()
            except LoadGeneratorError as error:
                self._end_without_load(str(error))
                return None
            finally:
                self._channel.close()
        finally:
            self.cluster.stop_load()
            self.cluster.withdraw()
            self._drain()
            unsubscribe()
            self._record(Kind.CELL_ENDED)

    def _under_load(self) -> LoadResult:
        self._faults = Faults(
            cluster=self.cluster,
            journal=Journal(self.cell.name, self.keep, self.clock),
            clock=self.clock,
            replicas=self.cell.replicas,
            before_act=self._before_act,
            planned=self.cell.faults,
        )
        phases = self.experiment.phases
        self._channel.wait_ready()
        self._phase("warmup")
        begin = self._channel.start().monotonic_s
        self._until(begin + phases.warmup_s)
        self._phase("baseline")
        self._until(begin + phases.warmup_s + phases.baseline_s)
        self._phase("fault")
        if not self.cell.faults:
            self._mark("none")
        fault_phase = begin + phases.warmup_s + phases.baseline_s
        self._until(fault_phase + phases.fault_s, fault_phase)
        self._phase("recovery")
        self._until(fault_phase + phases.fault_s + phases.recovery_s, fault_phase)
        return self._close(fault_phase)

    def _close(self, fault_phase: float) -> LoadResult:
        """Read every session once more, stop the shoppers, take the last figures of the replicas."""
        self._phase("audit")
        self._channel.audit()
        self._step(fault_phase)
        self._faults.close()
        result = self._channel.finish()
        self._take_load_events()
        self._scrape(self.cluster.pods())
        return result

    def _end_without_load(self, reason: str) -> None:
        """Say how the load generator ended, and put back what the faults did to the store and to nodes."""
        self._record(Kind.LOAD_LOST, reason=self.cluster.load_end() or reason)
        self._faults.close()

    def _until(self, moment: float, fault_phase: float | None = None) -> None:
        """Keep the cell going until this moment of the monotonic clock."""
        next_load = next_scrape = 0.0
        while (now := time.monotonic()) < moment:
            self._step(fault_phase)
            if now >= next_load:
                self._take_load_events()
                next_load = now + LOAD_EVERY_S
            if now >= next_scrape:
                self._scrape(self.cluster.pods())
                next_scrape = now + SCRAPE_EVERY_S
            time.sleep(max(0.0, min(STEP_S, moment - time.monotonic())))

    def _step(self, fault_phase: float | None) -> None:
        self._drain()
        if fault_phase is not None:
            self._faults.due(time.monotonic() - fault_phase)
            self._drain()
            self._faults.check()

    def _before_act(self, fault: PlannedFault, targets: tuple[Pod, ...]) -> None:
        """The victims' own count and the ledger's, taken as close to the act as can be."""
        self._scrape(targets)
        self._mark(fault.fault)

    def _mark(self, fault: str) -> None:
        mark = self._channel.mark(fault)
        self._record(Kind.MARK, fault=fault, live_sessions=mark.live_sessions, by_boot=mark.by_boot)

    def _phase(self, phase: str) -> None:
        self._channel.phase(phase)
        self._record(Kind.PHASE, phase=phase)

    def _scrape(self, pods: tuple[Pod, ...]) -> None:
        for pod in pods:
            if not pod.serving:
                continue
            try:
                metrics = parse(self.cluster.metrics(pod))
            except (ClusterError, ValueError):
                # A pod that is dying does not answer; its last figures stand, and its end is on record.
                continue
            self._record(Kind.POD_METRICS, pod=pod.name, uid=pod.uid, **metrics.record())

    def _take_load_events(self) -> None:
        for record in self._channel.events():
            self.keep({**record, "cell": self.cell.name})

    def _drain(self) -> None:
        while not self._transitions.empty():
            transition = self._transitions.get()
            self.keep(_pod_event(transition, self.cell.name))
            if hasattr(self, "_faults"):
                self._faults.notice(transition)

    def _record(self, kind: Kind, **fields: Any) -> None:
        self.keep(event(kind, self.clock(), cell=self.cell.name, **fields))

    def _deployment(self) -> Deployment:
        deploy = self.experiment.deploy
        return Deployment(
            name=self.cell.name,
            service=self.cell.service,
            state=self.cell.state,
            balancer=self.cell.balancer,
            replicas=self.cell.replicas,
            grace_s=deploy.grace_s,
            pre_stop_s=deploy.pre_stop_s,
            settings=self.experiment.settings(self.cell.variant),
        )

    def _load_config(self) -> LoadConfig:
        load = self.experiment.load
        live = self.cell.service is Service.STATEFUL  # the other twin has none of them
        return LoadConfig(
            cell=self.cell.name,
            target="",
            seed=self.cell.seed,
            shoppers=self.cell.shoppers,
            mix=load.mix,
            think_time_s=load.think_time_s,
            timeout_s=load.timeout_s,
            patience=load.patience,
            conversation_share=load.conversation_share if live else 0.0,
            orders_share=load.orders_share if live else 0.0,
            recommendations_share=load.recommendations_share,
            validations_share=load.validations_share,
            websocket_share=load.websocket_share if live else 0.0,
            workers=load.workers,
        )


def _pod_event(transition: PodTransition, cell: str) -> Event:
    pod = transition.pod
    return event(
        Kind.POD,
        transition.at,
        cell=cell,
        transition=transition.transition.value,
        pod=pod.name,
        uid=pod.uid,
        address=pod.address,
        container_id=pod.container_id,
        restart_count=pod.restart_count,
        ready=pod.ready,
        terminating=pod.terminating,
        revision=pod.revision,
        node=pod.node,
        detail=transition.detail,
    )
