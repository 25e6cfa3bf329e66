"""A fault that a person asks for: drawn, shown, carried out, watched and put back as in a run.

It goes through the executor of a cell, with the same schedule, safety and journal. What lasts is put back
when its duration is over, or as soon as the person has had enough; so is the number of replicas, by the
opposite fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from statefall.clusters.capabilities import nodes_of
from statefall.clusters.protocol import Cluster, ClusterError, Pod, PodTransition
from statefall.faults.execute import EFFECT_DEADLINE_S, FaultExecutor
from statefall.faults.journal import Journal, Sink
from statefall.faults.safety import on_node, victims
from statefall.faults.schedule import schedule
from statefall.records.clock import Clock, Instant
from statefall.records.errors import InputError
from statefall.records.events import Event, FaultFailed, FaultRecovered
from statefall.records.faults import Ends, FaultKind, Hits, PlannedFault, Verb

DEFAULT_DURATION_S: Final = 10.0
"""How long what lasts is left so, unless a person says it."""
RECOVERY_LIMIT_S: Final = 120.0
"""How long after the effect's deadline all replicas may take to be ready again."""
CELL: Final = "by-hand"
"""The cell in the journal."""
_OPPOSITE: Final = {FaultKind.SCALE_IN: FaultKind.SCALE_OUT, FaultKind.SCALE_OUT: FaultKind.SCALE_IN}


@dataclass(frozen=True, slots=True)
class HandFault:
    """What a person asks for; `refuse_senseless` says whether it makes sense."""

    kind: FaultKind
    count: int = 1
    grace_s: float | None = None
    duration_s: float = DEFAULT_DURATION_S
    seed: int = 1
    """Draws the victims among the replicas that are ready."""
    pod: str = ""
    """The one victim, by name, in place of a drawn one."""
    at_s: float = 0.0

    @property
    def is_undone(self) -> bool:
        """Whether it is put back when its duration is over."""
        return self.kind.traits.lasts or self.kind in _OPPOSITE


def refuse_senseless(asked: HandFault, *, duration_given: bool = False) -> None:
    """Raises InputError for a value that this kind of fault would not heed."""
    kind = asked.kind
    if asked.grace_s is not None and not kind.traits.takes_grace:
        raise InputError(f"`{kind}` takes no grace period of its own", where="--grace")
    if duration_given and not asked.is_undone:
        raise InputError(f"`{kind}` does not last: there is nothing to put back", where="--duration")
    if asked.count != 1 and not (kind.takes_victims or kind in _OPPOSITE):
        raise InputError(f"`{kind}` is done to no number of replicas", where="--count")
    if asked.pod and not kind.takes_victims:
        raise InputError(f"`{kind}` takes no victim by name", where="--pod")
    if asked.pod and asked.count != 1:
        raise InputError("one victim is named, and more are asked for", where="--count")


def draw(asked: HandFault, pods: tuple[Pod, ...], name: str) -> PlannedFault:
    """The fault as it will happen to these pods. Raises InputError when it cannot happen to them."""
    ready = [pod for pod in pods if pod.ready]
    names = ", ".join(pod.name for pod in ready) or "none"
    if asked.pod and asked.pod not in [pod.name for pod in ready]:
        raise InputError(
            f"no replica of the name {asked.pod} is ready: it has been replaced, or never was",
            where="--pod",
            hint=f"ready are {names}",
        )
    if asked.kind.takes_victims and asked.count > len(ready):
        raise InputError(
            f"`{asked.kind}` of {asked.count} replicas, but only {len(ready)} are ready", where="--count"
        )
    (fault,) = schedule([asked], replicas=len(ready), seed=asked.seed)
    if asked.pod:
        fault = replace(fault, ordinals=(next(n for n, pod in enumerate(ready) if pod.name == asked.pod),))
    return replace(fault, fault=name)


def _nothing(fault: PlannedFault, targets: tuple[Pod, ...]) -> None:
    """Whoever has a ledger takes its mark here."""


@dataclass(slots=True)
class FaultByHand:
    """One fault from the act to what came of it. Use: `begin`, then `notice` and `step` until `over`.

    Made and used from one thread. Raises InputError at once when it cannot be done to these pods.
    """

    cluster: Cluster
    asked: HandFault
    name: str
    """Its id in the journal."""
    keep: Sink
    clock: Clock
    before_act: Callable[[PlannedFault, tuple[Pod, ...]], None] = _nothing
    over: bool = field(default=False, init=False)
    _replicas: int = field(init=False)
    """That there are to be, now and afterwards."""
    _drawn: tuple[Pod, ...] = field(init=False)
    _executor: FaultExecutor = field(init=False)
    _failures: list[str] = field(default_factory=list, init=False)
    _began: Instant = field(init=False)
    _settled: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)
    _putting_back: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        refuse_senseless(self.asked)
        pods = self.cluster.pods()
        self._replicas = sum(not pod.terminating for pod in pods)
        fault = draw(self.asked, pods, self.name)
        if self._replicas + fault.kind.traits.grows * fault.count < 1:
            raise InputError(
                f"`{fault.kind}` by {fault.count} leaves none of {self._replicas} replicas", where="--count"
            )
        self._drawn = self._whom(fault, pods)
        self._executor = self._executor_of(fault, self._replicas)
        self._began = self.clock()

    def _whom(self, fault: PlannedFault, pods: tuple[Pod, ...]) -> tuple[Pod, ...]:
        if fault.kind.traits.hits is Hits.NODE:
            return on_node(fault, pods, nodes_of(self.cluster).drainable())
        return victims(fault, pods)

    def _executor_of(self, fault: PlannedFault, replicas: int) -> FaultExecutor:
        journal = Journal(CELL, self._take, self.clock)
        return FaultExecutor(self.cluster, journal, self.clock, replicas, self._before_act, (fault,))

    # -- what a person is told ----------------------------------------------------------------------

    def touches(self) -> tuple[str, ...]:
        """What will be touched, a line each."""
        kind, count = self.asked.kind, self.asked.count
        noun = kind.traits.noun
        after = self._replicas + kind.traits.grows * count
        match kind.traits.hits:
            case Hits.STORE:
                lines = [f"{noun}: the session store; no replica is touched"]
            case Hits.BALANCER:
                lines = [f"{noun}: the balancer; no replica is touched"]
            case Hits.CHOSEN if kind.traits.takes_all:
                lines = [f"{noun}: all {self._replicas} replicas at once", *self._each()]
            case Hits.CHOSEN if kind.traits.ends is Ends.NOTHING and not kind.traits.grows:
                lines = [f"{noun}: one replica more, and none of the {self._replicas} that are there"]
            case Hits.CHOSEN if kind.traits.grows:
                lines = [f"{noun} from {self._replicas} to {after} replicas: the cluster picks which"]
            case Hits.CHOSEN:
                lines = [f"{noun}: all {self._replicas} replicas, one after the other", *self._each()]
            case Hits.NODE:
                lines = [f"{noun}: the node {self._drawn[0].node}", *self._each()]
            case _:
                lines = [f"{noun}: {len(self._drawn)} of {self._replicas} replicas", *self._each()]
        if self.asked.is_undone:
            lines.append(f"  put back after {self.asked.duration_s:g} s")
        return tuple(lines)

    def _each(self) -> list[str]:
        pods = self._drawn or self.cluster.pods()
        return [f"  {pod.name}  {pod.address}" for pod in pods if not pod.terminating]

    @property
    def failures(self) -> tuple[str, ...]:
        """Why it, or putting it back, failed; empty when all went well."""
        return (*self._failures, *self._executor.failures)

    # -- as time goes on ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Carry it out, if its victims are still those that were drawn."""
        self._began = self.clock()
        self._executor.due(0.0)

    def notice(self, transition: PodTransition) -> None:
        """To be told of what the cluster reports."""
        self._executor.notice(transition)

    def step(self) -> None:
        """Watch, put back what has lasted long enough. Raises ClusterError when that is refused."""
        if self.over:
            return
        self._executor.check()
        passed_s = self.clock().monotonic_s - self._began.monotonic_s
        if not self._settled and passed_s > self._limit_s():
            self._executor.close()
            self._failures.append(f"fault {self.name}: the replicas were not ready again in {passed_s:.0f} s")
            self._settled = True
        if self._settled and (self._stopped or not self._holds(passed_s)):
            self._go_on()

    def stop(self) -> None:
        """Put back now what lasts, and watch no longer. Raises ClusterError when that is refused."""
        if self.over or self._putting_back or self.asked.kind.traits.verb is Verb.PAUSE_STORE:
            return  # a store that hangs goes on by itself, and not sooner
        self._stopped = self._settled = True
        self._executor.close()
        self._go_on()

    def _holds(self, passed_s: float) -> bool:
        """Whether another number of replicas is to stay a while."""
        changed = not self._putting_back and self._executor.replicas != self._replicas
        return changed and passed_s < self.asked.duration_s

    def _limit_s(self) -> float:
        return EFFECT_DEADLINE_S + RECOVERY_LIMIT_S + self.asked.duration_s + (self.asked.grace_s or 0.0)

    def _go_on(self) -> None:
        """It is over, or the number of replicas is yet to be put back."""
        there = self._executor.replicas
        if self._putting_back or there == self._replicas:
            self.over = True
            return
        self._failures += self._executor.failures
        self._putting_back, self._settled = True, False
        self._began, self._drawn = self.clock(), ()
        back = PlannedFault(
            fault=f"{self.name}-back",
            kind=_OPPOSITE[self.asked.kind],
            at_s=0.0,
            ordinals=(),
            count=abs(there - self._replicas),
            grace_s=None,
            duration_s=self.asked.duration_s,
        )
        self._executor = self._executor_of(back, there)
        self._executor.due(0.0)

    def _before_act(self, fault: PlannedFault, targets: tuple[Pod, ...]) -> None:
        there = {pod.uid for pod in targets}
        if replaced := [pod.name for pod in self._drawn if pod.uid not in there]:
            names = ", ".join(replaced)
            raise ClusterError(f"{names} has been replaced since it was drawn, or is not ready any more")
        if len(there) > len(self._drawn):
            raise ClusterError("other replicas would be hit than those that were drawn")
        self.before_act(fault, targets)

    def _take(self, event: Event) -> None:
        self.keep(event)
        self._settled = self._settled or isinstance(event, FaultFailed | FaultRecovered)
