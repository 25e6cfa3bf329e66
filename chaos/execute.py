"""Carries out the faults of a cell and watches what each of them does.

Everything happens on the conductor's thread: `due` acts when a fault's time has come, `notice`
takes the transitions that the cluster reported, `check` journals effects and recoveries. No fault
is taken on trust: one whose effect is not seen within its deadline is a failed fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chaos.faults import FaultKind, PlannedFault
from chaos.journal import Journal
from chaos.safety import on_node, replicas_after, victims
from clusters.protocol import Cluster, ClusterError, EvictionRefused, Pod, PodTransition, Transition
from foundation.clock import Clock, Instant
from foundation.errors import InputError

EFFECT_DEADLINE_S = 60.0
"""How long a fault may take to show an effect beyond its grace period; a rollout takes longest.

Evictions come one after the other: for them it is the time of each.
"""


@dataclass(slots=True)
class Watch:
    """A fault that was carried out and is being watched."""

    fault: PlannedFault
    targets: tuple[Pod, ...]
    replicas: int
    """Ready replicas that mean recovery."""
    revision: str
    """The pods' revision before the act."""
    acted: Instant
    node: str = ""
    """That is drained."""
    effect: Instant | None = None
    recovered: bool = False
    seen: dict[str, PodTransition] = field(default_factory=dict)
    """uid -> the transition that showed the effect on that pod."""
    put_back: bool = False
    """What it did to the store or to a node has been undone."""
    to_evict: tuple[Pod, ...] = ()
    """Whom the disruption budget has not let go yet."""
    ask_at_s: float = 0.0
    """When to ask for them again, on the monotonic clock."""

    @property
    def deadline_s(self) -> float:
        """For the effect, in seconds from the act."""
        in_turn = len(self.targets) if self.fault.kind.keeps_budget else 1
        return (EFFECT_DEADLINE_S + (self.fault.grace_s or 0.0)) * max(in_turn, 1)


@dataclass(slots=True)
class Faults:
    """The faults of one cell, in order of time."""

    cluster: Cluster
    journal: Journal
    clock: Clock
    replicas: int
    before_act: Callable[[PlannedFault, tuple[Pod, ...]], None]
    """Called after the intent is written and just before the act, so that the ledger can take its mark."""
    planned: tuple[PlannedFault, ...]
    _next: int = 0
    _watches: list[Watch] = field(default_factory=list)
    _failures: list[str] = field(default_factory=list)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why faults failed, in words; empty on a sound run."""
        return tuple(self._failures)

    @property
    def acted(self) -> bool:
        """Whether any fault has been carried out."""
        return self._next > 0

    def due(self, elapsed_s: float) -> None:
        """Carry out every fault whose time has come, `elapsed_s` after the start of the fault phase."""
        while self._next < len(self.planned) and self.planned[self._next].at_s <= elapsed_s:
            fault = self.planned[self._next]
            self._next += 1
            self._carry_out(fault)

    def notice(self, transition: PodTransition) -> None:
        """Take note of what the cluster reported."""
        for watch in self._watches:
            if transition.at >= watch.acted:
                _note(watch, transition)

    def check(self) -> None:
        """Go on with evictions, end outages, journal effects and recoveries, give up what comes too late."""
        now = self.clock()
        for watch in self._watches:
            self._end_outage(watch, now)
            self._evict(watch, now)
            if watch.effect is None:
                self._look_for_effect(watch, now)
            if watch.effect is not None and not watch.recovered:
                self._look_for_recovery(watch, now)

    def close(self) -> None:
        """The cell is over: an effect that was never seen is a failed fault; store and nodes are put back."""
        for watch in self._watches:
            self._put_back(watch)
            if watch.effect is None:
                self._fail(watch.fault, "no effect was observed before the end of the cell")
        for fault in self.planned[self._next :]:
            self._fail(fault, "the cell ended before its time came")

    # -- the act ----------------------------------------------------------------------------------

    def _carry_out(self, fault: PlannedFault) -> None:
        pods = self.cluster.pods()
        try:
            targets = self._victims(fault, pods)
            after = replicas_after(fault, self.replicas)
            self.journal.intent(fault, targets)
            self.before_act(fault, targets)
            node = targets[0].node if fault.kind is FaultKind.DRAIN else ""
            watch = Watch(fault, targets, after, _revision(pods), self.clock(), node)
            self.journal.act(fault)
            self._watches.append(watch)
            watch.targets = self._act(fault, targets, after)
            if fault.kind.keeps_budget:
                watch.to_evict = watch.targets
        except (ClusterError, InputError) as error:
            self._fail(fault, str(error))
            return
        self.replicas = after

    def _victims(self, fault: PlannedFault, pods: tuple[Pod, ...]) -> tuple[Pod, ...]:
        if fault.kind is FaultKind.DRAIN:
            return on_node(fault, pods, self.cluster.drainable())
        return victims(fault, pods)

    def _act(self, fault: PlannedFault, targets: tuple[Pod, ...], after: int) -> tuple[Pod, ...]:
        match fault.kind:
            case FaultKind.KILL:
                for pod in targets:
                    self.cluster.kill(pod)
            case FaultKind.DELETE:
                for pod in targets:
                    self.cluster.delete(pod, grace_s=fault.grace_s)
            case FaultKind.DELETE_NOW:
                for pod in targets:
                    self.cluster.delete(pod, grace_s=0.0)
            case FaultKind.DRAIN:
                return self._cordon(targets[0].node)
            case FaultKind.SCALE_IN | FaultKind.SCALE_OUT:
                return self.cluster.scale(after)
            case FaultKind.ROLL:
                self.cluster.roll()
            case FaultKind.STORE_OUTAGE:
                self.cluster.stop_store()
            case FaultKind.STORE_HANG:
                self.cluster.pause_store(fault.duration_s)
            case FaultKind.EVICT:
                pass  # asked for in `check`, as often as it takes
        return targets

    def _cordon(self, node: str) -> tuple[Pod, ...]:
        there = self.cluster.cordon(node)
        if not there:
            raise ClusterError(f"no replica is left on node {node}")
        return there

    def _evict(self, watch: Watch, now: Instant) -> None:
        """Ask for those whom the budget has not let go yet. What else refuses them fails the fault."""
        if not watch.to_evict or now.monotonic_s < watch.ask_at_s:
            return
        refused = []
        try:
            for pod in watch.to_evict:
                try:
                    self.cluster.evict(pod)
                except EvictionRefused as refusal:
                    refused.append(pod)
                    watch.ask_at_s = now.monotonic_s + refusal.retry_after_s
        except ClusterError as error:
            self._give_up(watch, now, str(error))
            return
        watch.to_evict = tuple(refused)

    # -- what came of it --------------------------------------------------------------------------

    def _look_for_effect(self, watch: Watch, now: Instant) -> None:
        found = _effect(watch, self.cluster.pods())
        if found is not None:
            effect, at = found
            watch.effect = at
            hit = watch.targets or tuple(t.pod for t in watch.seen.values())
            self.journal.observed(watch.fault, effect, hit, at)
        elif now.monotonic_s - watch.acted.monotonic_s > watch.deadline_s:
            self._give_up(watch, now, f"no effect was observed within {watch.deadline_s:g} s")

    def _give_up(self, watch: Watch, now: Instant, reason: str) -> None:
        watch.effect = now
        watch.recovered = True
        watch.to_evict = ()
        self._fail(watch.fault, reason)

    def _look_for_recovery(self, watch: Watch, now: Instant) -> None:
        if watch.fault.kind.hits_store and not watch.put_back:
            return
        pods = self.cluster.pods()
        gone = {pod.uid for pod in watch.targets if watch.fault.kind is not FaultKind.KILL}
        ready = sum(pod.ready and pod.uid not in gone for pod in pods)
        settled = all(pod.ready or pod.terminating for pod in pods)
        if ready == watch.replicas and settled:
            watch.recovered = True
            self.journal.recovered(watch.fault, ready, now)
            self._put_back(watch)

    def _end_outage(self, watch: Watch, now: Instant) -> None:
        over = now.monotonic_s - watch.acted.monotonic_s >= watch.fault.duration_s
        if watch.fault.kind.hits_store and over:
            self._put_back(watch)

    def _put_back(self, watch: Watch) -> None:
        """The store answers again, the node takes pods again; a no-op where that was done."""
        if watch.put_back:
            return
        if watch.fault.kind.hits_store:
            self.cluster.start_store()
        elif watch.node:
            self.cluster.uncordon(watch.node)
        watch.put_back = True

    def _fail(self, fault: PlannedFault, reason: str) -> None:
        self.journal.failed(fault, reason)
        self._failures.append(f"fault {fault.fault} ({fault.kind}): {reason}")


_SHOWS_EFFECT = {
    FaultKind.KILL: Transition.CONTAINER_EXITED,
    FaultKind.DELETE: Transition.GONE,
    FaultKind.DELETE_NOW: Transition.GONE,
    FaultKind.EVICT: Transition.GONE,
    FaultKind.DRAIN: Transition.GONE,
    FaultKind.SCALE_IN: Transition.GONE,
    FaultKind.SCALE_OUT: Transition.READY,
    FaultKind.ROLL: Transition.GONE,
}


def _note(watch: Watch, transition: PodTransition) -> None:
    if transition.transition is not _SHOWS_EFFECT.get(watch.fault.kind):
        return
    hit = {pod.uid for pod in watch.targets}
    if hit and transition.pod.uid not in hit:
        return
    watch.seen.setdefault(transition.pod.uid, transition)


def _effect(watch: Watch, pods: Sequence[Pod]) -> tuple[str, Instant] | None:
    """The effect in words and when it was complete, or None while it is not."""
    fault, seen = watch.fault, watch.seen
    if fault.kind.hits_store:
        does = "refuses connections" if fault.kind is FaultKind.STORE_OUTAGE else "answers nothing"
        return f"the session store {does}, for {fault.duration_s:g} s", watch.acted
    if fault.kind is FaultKind.ROLL:
        old = [pod for pod in pods if pod.revision == watch.revision]
        if old or not seen:
            return None
        return f"{len(seen)} pods of revision {watch.revision} replaced", max(t.at for t in seen.values())
    wanted = fault.count if fault.kind in {FaultKind.SCALE_IN, FaultKind.SCALE_OUT} else len(watch.targets)
    if len(seen) < wanted:
        return None
    words = {
        FaultKind.KILL: "container exited",
        FaultKind.SCALE_OUT: "new pod ready",
        FaultKind.DRAIN: f"node {watch.node} drained, pod gone",
    }.get(fault.kind, "pod gone")
    names = ", ".join(f"{t.pod.name}{f' ({t.detail})' if t.detail else ''}" for t in seen.values())
    return f"{words}: {names}", max(t.at for t in seen.values())


def _revision(pods: Sequence[Pod]) -> str:
    living = [pod for pod in pods if not pod.terminating]
    return living[-1].revision if living else ""
