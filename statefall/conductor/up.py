"""Holds a service under test up until a signal comes, and carries out the faults that are asked of it.

Everything happens on the caller's thread: commands come over the socket of `control`, one fault is under way
at a time, the load's events are taken meanwhile.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from statefall.clusters.capabilities import needs_of_fault
from statefall.clusters.protocol import Cluster, ClusterError, Pod, PodTransition, Reachable, Transition
from statefall.clusters.registry import CONTROL_SOCKET, refuse_lacking
from statefall.conductor.control import Caller, ControlSocket, FaultReply
from statefall.conductor.fault_lines import FaultLines
from statefall.conductor.interrupts import OrderlyInterrupts, close_wholly
from statefall.faults.by_hand import FaultByHand, HandFault
from statefall.load.channel import LoadChannel, LoadControl, LoadGeneratorError
from statefall.records.cells import PlannedCell
from statefall.records.clock import Clock
from statefall.records.errors import InputError, Interrupted, RunInvalid, StatefallError
from statefall.records.events import Event, SessionsMarked, Tick
from statefall.records.faults import FaultKind, Hits, PlannedFault
from statefall.records.load import LoadConfig
from statefall.results.record import RunRecorder, new_run_id

STEP_S: Final = 0.05
LOAD_EVERY_S: Final = 0.5
_TAKEN_DOWN: Final = "what was up is being taken down"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class UpAddresses:
    """Where what is up is reached."""

    urls: tuple[tuple[str, str], ...]
    """By name: `balancer`, `store`, `database`, as far as there are any."""
    pods: tuple[Pod, ...]
    load: str
    """Locust's page; empty without load."""
    folder: Path
    """Of the run: `statefall fault --run` takes it."""
    faults: tuple[FaultKind, ...] = ()
    """What can be done to it by hand."""


@dataclass(slots=True)
class HeldService:
    """One cell on a cluster, until a signal comes."""

    cell: PlannedCell
    cluster: Cluster
    recorder: RunRecorder
    clock: Clock
    say: Say
    watch: Callable[[Event], None] = lambda event: None
    """Told of everything that is recorded."""
    faults: int = field(default=0, init=False)
    """How many were carried out."""
    _transitions: queue.SimpleQueue[PodTransition] = field(default_factory=queue.SimpleQueue, init=False)
    _channel: LoadControl | None = field(default=None, init=False)
    _load_due_s: float = field(default=0.0, init=False)
    _lost: int = field(default=0, init=False)
    _lines: FaultLines = field(default_factory=FaultLines, init=False)
    _fault: FaultByHand | None = field(default=None, init=False)
    _caller: Caller | None = field(default=None, init=False)

    def run(self, announce: Callable[[UpAddresses], None], *, with_load: bool) -> None:
        """Bring it up, say where it is, hold it until a signal, take all of it down.

        Raises StatefallError when it does not come up or breaks; Interrupted on a signal before that.
        """
        try:
            addresses = self._bring_up(with_load=with_load)
            with ControlSocket(self.recorder.path / CONTROL_SOCKET) as control, suppress(Interrupted):
                announce(addresses)
                self._hold(control)
        finally:
            if self._channel is not None:
                self._channel.close()
            close_wholly(self.cluster)

    def _bring_up(self, *, with_load: bool) -> UpAddresses:
        """Everything, ready to be used. Raises StatefallError."""
        self.say("starting what the replicas need ...")
        self.cluster.open()
        self.cluster.subscribe(self._transitions.put)
        self.say(f"starting {self.cell.replicas} replicas ...")
        self.cluster.deploy(self.cell)
        url = self._start_load() if with_load else ""
        self._drain(tell=False)
        urls = self._urls()
        faults = tuple(kind for kind in FaultKind if self._can_be_done(kind, urls))
        return UpAddresses(tuple(urls.items()), self.cluster.pods(), url, self.recorder.path, faults)

    def _can_be_done(self, kind: FaultKind, urls: Mapping[str, str]) -> bool:
        try:
            refuse_lacking(self.cluster.kind, needs_of_fault(kind))
        except InputError:
            return False
        return kind.traits.hits is not Hits.STORE or "store" in urls

    def _urls(self) -> Mapping[str, str]:
        return self.cluster.addresses() if isinstance(self.cluster, Reachable) else {}

    def _start_load(self) -> str:
        cell = self.cell
        self.say(f"starting {len(cell.shoppers)} shoppers ...")
        config = LoadConfig.of(
            cell.load, cell=cell.name, seed=cell.seed, shoppers=cell.shoppers, service=cell.under_test
        )
        url = self.cluster.start_load(config)
        self._channel = LoadChannel(url)
        self._channel.wait_ready()
        self._channel.start()
        return url

    def _hold(self, control: ControlSocket) -> None:
        """Go on until a signal raises Interrupted, or the cluster breaks."""
        try:
            while True:
                for caller in control.poll(STEP_S):
                    self._answer(control, caller)
                self._drain(tell=True)
                self._go_on_with_fault(control)
                self._take_load_events()
        finally:
            if self._caller is not None:
                control.end(self._caller, text=_TAKEN_DOWN, exit_code=RunInvalid.exit_code)

    # -- a fault ------------------------------------------------------------------------------------

    def _answer(self, control: ControlSocket, caller: Caller) -> None:
        command = caller.command
        assert command is not None
        try:
            fault = self._planned(command.asked)
        except StatefallError as error:
            control.end(caller, text=str(error), exit_code=error.exit_code)
            return
        caller.reply(FaultReply(text="\n".join(fault.touches())))
        if command.dry_run:
            control.end(caller)
            return
        self.faults += 1
        self._fault, self._caller = fault, caller
        with self._failing_alone(control):
            fault.begin()

    def _planned(self, asked: HandFault) -> FaultByHand:
        if self._fault is not None:
            raise InputError(
                f"a fault is under way already: `{self._fault.asked.kind}`", hint="wait for its end"
            )
        refuse_lacking(self.cluster.kind, needs_of_fault(asked.kind))
        if asked.kind.traits.hits is Hits.STORE and "store" not in self._urls():
            raise InputError(f"`{asked.kind}` needs a store, and this service has none of the cluster's")
        return FaultByHand(
            self.cluster, asked, f"f{self.faults + 1}", self._keep, self.clock, self._before_act
        )

    def _go_on_with_fault(self, control: ControlSocket) -> None:
        fault, caller = self._fault, self._caller
        if fault is None or caller is None:
            return
        with self._failing_alone(control):
            if caller.hung_up:
                fault.stop()
            fault.step()
            if fault.over:
                self._end_fault(control, "; ".join(fault.failures))

    def _end_fault(self, control: ControlSocket, failure: str) -> None:
        caller, self._fault, self._caller = self._caller, None, None
        if caller is not None:
            control.end(caller, text=failure, exit_code=RunInvalid.exit_code if failure else 0)

    @contextmanager
    def _failing_alone(self, control: ControlSocket) -> Iterator[None]:
        """A cluster that refuses something ends the fault, and not what is up."""
        try:
            yield
        except ClusterError as error:
            self._end_fault(control, str(error))

    def _before_act(self, fault: PlannedFault, targets: tuple[Pod, ...]) -> None:
        if self._channel is None:
            return
        try:
            mark = self._channel.mark(fault.fault)
        except LoadGeneratorError as error:
            self._lose_load(str(error))
            return
        self._keep(
            SessionsMarked(
                at=self.clock(),
                cell=self.cell.name,
                fault=fault.fault,
                live_sessions=mark.live_sessions,
                by_boot=mark.by_boot,
            )
        )

    # -- what is seen ---------------------------------------------------------------------------------

    def _keep(self, event: Event) -> None:
        self.recorder.record(event)
        self.watch(event)
        if line := self._lines.of(event):
            self.say(line)
        if self._caller is not None:
            self._caller.reply(FaultReply(events=(event,)))

    def _drain(self, *, tell: bool) -> None:
        while not self._transitions.empty():
            transition = self._transitions.get()
            if self._fault is not None:
                self._fault.notice(transition)
            if tell and transition.transition is Transition.READY:
                self.say(f"ready: {transition.pod.name}  http://{transition.pod.address}")

    def _take_load_events(self) -> None:
        now_s = self.clock().monotonic_s
        if self._channel is None or now_s < self._load_due_s:
            return
        self._load_due_s = now_s + LOAD_EVERY_S
        try:
            events = self._channel.events()
        except LoadGeneratorError as error:
            self._lose_load(str(error))
            return
        for event in events:
            self.recorder.record(event)
            self.watch(event)
            if isinstance(event, Tick) and event.lost_so_far > self._lost:
                self._lost = event.lost_so_far
                self.say(f"load: {event.live_sessions} live sessions, {event.lost_so_far} lost so far")

    def _lose_load(self, reason: str) -> None:
        self.say(f"the load is gone: {self.cluster.load_end() or reason}")
        if self._channel is not None:
            self._channel.close()
        self._channel = None
        self.cluster.stop_load()


def hold_up(
    cell: PlannedCell,
    *,
    out: Path,
    open_cluster: Callable[[Path], Cluster],
    with_load: bool,
    clock: Clock,
    say: Say,
    announce: Callable[[UpAddresses], None],
    watch: Callable[[Event], None] = lambda event: None,
) -> Path | None:
    """Bring it up and hold it until a signal; the journal of the faults, where there were any.

    Raises StatefallError when it does not come up or breaks. Whatever happens, nothing is left running.
    """
    there_before = [folder for folder in (out, *out.parents) if folder.exists()]
    held: HeldService | None = None
    with OrderlyInterrupts():
        recorder = RunRecorder.create(out, new_run_id("up", clock))
        try:
            held = HeldService(cell, open_cluster(recorder.path), recorder, clock, say, watch)
            held.run(announce, with_load=with_load)
        finally:
            journal = recorder.path if held is not None and held.faults else None
            _put_away(recorder, keep=journal is not None)
            _leave_no_empty_folders(out, there_before)
    return journal


def _put_away(recorder: RunRecorder, *, keep: bool) -> None:
    """Without a fault there is nothing to keep but the logs of what failed."""
    logs = recorder.path / "cluster"
    if keep or logs.exists():
        recorder.close()
    else:
        recorder.discard()


def _leave_no_empty_folders(out: Path, there_before: list[Path]) -> None:
    for folder in (out, *out.parents):
        if folder in there_before:
            return
        with suppress(OSError):
            folder.rmdir()
