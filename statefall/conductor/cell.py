"""Runs one cell: deploys the service, lets the shoppers in, brings the faults, takes the final counts."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from statefall.clusters.protocol import Cluster, Pod, PodTransition
from statefall.conductor.addresses import Addresses
from statefall.conductor.aside import Aside, OpenAside, Threads
from statefall.conductor.experiment import Experiment
from statefall.conductor.scraping import LOOK_S, Scraping
from statefall.faults.execute import FaultExecutor
from statefall.faults.journal import Journal
from statefall.load.channel import LoadControl, LoadGeneratorError
from statefall.records.cells import PlannedCell
from statefall.records.clock import SleepingClock
from statefall.records.events import (
    CellEnded,
    CellStarted,
    Event,
    LoadLost,
    PhaseStarted,
    PodChanged,
    SessionsMarked,
)
from statefall.records.faults import PlannedFault
from statefall.records.load import LoadConfig
from statefall.records.verdicts import LoadResult

STEP_S = 0.05
LOAD_EVERY_S = 0.5
SCRAPE_EVERY_S = 1.0
SCRAPES_AT_ONCE = 8
VICTIMS_LIMIT_S = 1.5
"""How long a fault waits for its victims' own figures at most."""
LAST_SCRAPE_S = 15.0
"""How long the end of a cell waits for the last figures of all replicas at most."""

OpenChannel = Callable[[str], LoadControl]


@dataclass(slots=True)
class CellRun:
    """One cell on a cluster. `keep` records an event.

    Everything happens on the caller's thread but what only reads (scrapes, and polls of the load generator):
    that is asked for aside, so that a cluster which answers late holds no phase up.
    """

    cell: PlannedCell
    experiment: Experiment
    cluster: Cluster
    open_channel: OpenChannel
    keep: Callable[[Event], None]
    clock: SleepingClock
    keep_history: Callable[[tuple[str, ...]], None] = lambda lines: None
    """Records lines of the history."""
    open_aside: OpenAside = Threads
    _transitions: queue.SimpleQueue[PodTransition] = field(default_factory=queue.SimpleQueue)
    _faults: FaultExecutor = field(init=False)
    _channel: LoadControl = field(init=False)
    _scraping: Scraping = field(init=False)
    _polls: Aside = field(init=False)
    _poll: Future[list[Event]] | None = None
    """The poll of the load generator that is under way."""
    _addresses: Addresses | None = field(init=False)
    """Where the load knows replicas by their addresses."""

    def run(self) -> LoadResult | None:
        """The whole cell; None when its load generator was lost, which is on record then.

        Raises StatefallError when it cannot be run. Leaves nothing deployed.
        """
        cell = self.cell
        service = cell.under_test
        self._addresses = Addresses() if service is not None and service.answered_by.access_log else None
        self.keep(
            CellStarted(
                at=self.clock(),
                cell=cell.name,
                service=cell.service,
                state=cell.state.value,
                balancer=cell.balancer.value,
                replicas=cell.replicas,
                repeat=cell.repeat,
                variant=cell.variant,
            )
        )
        result: LoadResult | None = None
        # Each of these is done whatever becomes of the others, the last one first.
        with ExitStack() as end:
            end.callback(lambda: self.keep(CellEnded(at=self.clock(), cell=cell.name)))
            end.callback(self.cluster.subscribe(self._transitions.put))
            end.callback(self._drain)
            end.callback(self.cluster.withdraw)
            end.callback(self.cluster.stop_load)
            self.cluster.deploy(cell)
            config = LoadConfig.of(
                cell.load, cell=cell.name, seed=cell.seed, shoppers=cell.shoppers, service=cell.under_test
            )
            self._channel = self.open_channel(self.cluster.start_load(config))
            end.callback(self._channel.close)
            self._scraping = Scraping(
                cell.name, self.cluster.metrics, self.clock, self._open(end, SCRAPES_AT_ONCE)
            )
            self._polls = self._open(end, 1)
            try:
                result = self._under_load()
            except LoadGeneratorError as error:
                self._end_without_load(str(error))
        return result

    def _under_load(self) -> LoadResult:
        self._faults = FaultExecutor(
            cluster=self.cluster,
            journal=Journal(self.cell.name, self.keep, self.clock),
            clock=self.clock,
            replicas=self.cell.replicas,
            before_act=self._before_act,
            planned=self.cell.faults,
        )
        phases = self.experiment.phases
        self._channel.wait_ready()
        if self.cell.under_test is not None and self.cell.under_test.attached is not None:
            self._scrape(self.cluster.pods(), LAST_SCRAPE_S)  # it has served before, and counted
        self._phase("warmup")
        begin = self._channel.start().monotonic_s
        self._until(begin + phases.warmup_s)
        # Each phase lasts from when it began indeed: where a call to begin it took long, none is cut short.
        self._until(self._phase("baseline") + phases.baseline_s)
        fault_phase = self._phase("fault")
        if not self.cell.faults:
            self._mark("none")
        self._until(fault_phase + phases.fault_s, fault_phase)
        self._until(self._phase("recovery") + phases.recovery_s, fault_phase)
        return self._close(fault_phase)

    def _close(self, fault_phase: float) -> LoadResult:
        """Read every session once more, stop the shoppers, take the last figures of the replicas."""
        self._phase("audit")
        self._channel.audit()
        self._step(fault_phase)
        self._faults.close()
        result = self._channel.finish()
        while self._poll is not None:  # two at once would bring the same events
            self._take_load_events()
            self.clock.sleep(LOOK_S)
        self._keep_load_events(self._channel.events())
        self.keep_history(self._channel.history())
        self._scrape(self.cluster.pods(), LAST_SCRAPE_S)
        return result if self._addresses is None else self._addresses.in_result(result)

    def _open(self, end: ExitStack, at_once: int) -> Aside:
        aside = self.open_aside(at_once)
        end.callback(aside.close)
        return aside

    def _end_without_load(self, reason: str) -> None:
        """Say how the load generator ended, and put back what the faults did to the store and to nodes."""
        reason = self.cluster.load_end() or reason
        self.keep(LoadLost(at=self.clock(), cell=self.cell.name, reason=reason))
        self._faults.close()

    def _until(self, moment: float, fault_phase: float | None = None) -> None:
        """Keep the cell going until this moment of the monotonic clock."""
        next_load = next_scrape = 0.0
        while (now := self.clock().monotonic_s) < moment:
            self._step(fault_phase)
            self._take_load_events()
            self._keep_all(self._scraping.answers())
            if now >= next_load and self._poll is None:
                self._poll = self._polls.ask(self._ask_load)
                self._take_load_events()
                next_load = now + LOAD_EVERY_S
            if now >= next_scrape:
                if self._has_metrics:
                    self._scraping.ask_idle(self.cluster.pods())
                    self._keep_all(self._scraping.answers())
                next_scrape = now + SCRAPE_EVERY_S
            self.clock.sleep(max(0.0, min(STEP_S, moment - self.clock().monotonic_s)))

    def _step(self, fault_phase: float | None) -> None:
        self._drain()
        if fault_phase is not None:
            self._faults.due(self.clock().monotonic_s - fault_phase)
            self._drain()
            self._faults.check()

    def _before_act(self, fault: PlannedFault, targets: tuple[Pod, ...]) -> None:
        """The victims' own count and the ledger's, taken as close to the act as can be."""
        self._scrape(targets, VICTIMS_LIMIT_S)
        self._mark(fault.fault)

    def _mark(self, fault: str) -> None:
        mark = self._channel.mark(fault)
        if self._addresses is not None:
            mark = self._addresses.in_mark(mark)
        self.keep(
            SessionsMarked(
                at=self.clock(),
                cell=self.cell.name,
                fault=fault,
                live_sessions=mark.live_sessions,
                by_boot=mark.by_boot,
            )
        )

    def _phase(self, phase: str) -> float:
        """Begin it; returns when it began, on the monotonic clock."""
        self._channel.phase(phase)
        at = self.clock()
        self.keep(PhaseStarted(at=at, cell=self.cell.name, phase=phase))
        return at.monotonic_s

    @property
    def _has_metrics(self) -> bool:
        service = self.cell.under_test
        return service is None or bool(service.metrics)

    def _scrape(self, pods: tuple[Pod, ...], limit_s: float) -> None:
        if self._has_metrics:
            self._keep_all(self._scraping.ask_now(pods, limit_s))

    def _ask_load(self) -> list[Event]:
        """Its events since; what it has of the history is kept at once. Aside of the caller's thread."""
        with suppress(LoadGeneratorError):  # what one poll did not bring the next one does
            self.keep_history(self._channel.history())
        return self._channel.events()

    def _take_load_events(self) -> None:
        """What the poll under way has brought, if it is done."""
        if self._poll is not None and self._poll.done():
            done, self._poll = self._poll, None
            self._keep_load_events(done.result())

    def _keep_load_events(self, events: Iterable[Event]) -> None:
        """Keep what the load tells, with pods where it knows addresses alone."""
        self._keep_all(
            event if self._addresses is None else self._addresses.in_event(event) for event in events
        )

    def _keep_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.keep(event)

    def _drain(self) -> None:
        while not self._transitions.empty():
            transition = self._transitions.get()
            if self._addresses is not None:
                self._addresses.learn(transition)
            self.keep(_pod_event(transition, self.cell.name))
            if hasattr(self, "_faults"):
                self._faults.notice(transition)


def _pod_event(transition: PodTransition, cell: str) -> PodChanged:
    pod = transition.pod
    return PodChanged(
        at=transition.at,
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
