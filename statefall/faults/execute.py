"""Carries out the faults of a cell and watches what each of them does.

Everything happens on the conductor's thread: `due` acts when a fault's time has come, `notice`
takes the transitions that the cluster reported, `check` journals effects and recoveries. No fault
is taken on trust: one whose effect is not seen within its deadline is a failed fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from statefall.clusters.capabilities import evictions_of, nodes_of
from statefall.clusters.protocol import Cluster, ClusterError, EvictionRefused, Pod, PodTransition, Transition
from statefall.faults import verbs
from statefall.faults.journal import Journal
from statefall.faults.safety import on_node, replicas_after, victims
from statefall.records.clock import Clock, Instant
from statefall.records.errors import InputError
from statefall.records.faults import Hits, PlannedFault, Shows

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
    """What would last has been undone."""
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
class FaultExecutor:
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
            self._end(watch, now)
            self._evict(watch, now)
            if watch.effect is None:
                self._look_for_effect(watch, now)
            if watch.effect is not None and not watch.recovered:
                self._look_for_recovery(watch, now)

    def close(self) -> None:
        """The cell is over: what lasts is undone, and an effect that was never seen is a failed fault.

        Raises the first ClusterError of undoing, once everything has been tried.
        """
        refused: list[ClusterError] = []
        for watch in self._watches:
            try:
                self._put_back(watch)
            except ClusterError as error:
                refused.append(error)
            if watch.effect is None:
                self._fail(watch.fault, "no effect was observed before the end of the cell")
        for fault in self.planned[self._next :]:
            self._fail(fault, "the cell ended before its time came")
        if refused:
            raise refused[0]

    # -- the act ----------------------------------------------------------------------------------

    def _carry_out(self, fault: PlannedFault) -> None:
        pods = self.cluster.pods()
        try:
            targets = self._victims(fault, pods)
            after = replicas_after(fault, self.replicas)
            self.journal.intent(fault, targets)
            self.before_act(fault, targets)
        except (ClusterError, InputError) as error:
            self._fail(fault, str(error))
            return
        node = targets[0].node if fault.kind.traits.hits is Hits.NODE else ""
        watch = Watch(fault, targets, after, _revision(pods), self.clock(), node)
        self.journal.act(fault)
        try:
            watch.targets = verbs.act(self.cluster, fault, targets, after)
        except (ClusterError, InputError) as error:
            self._take_back_part(watch)
            self._fail(fault, str(error))
            return
        if fault.kind.keeps_budget:
            watch.to_evict = watch.targets
        self._watches.append(watch)
        self.replicas = after

    def _take_back_part(self, watch: Watch) -> None:
        """A refused act may have reached some of its victims: try to take that back."""
        with suppress(ClusterError, InputError):
            self._put_back(watch)

    def _victims(self, fault: PlannedFault, pods: tuple[Pod, ...]) -> tuple[Pod, ...]:
        if fault.kind.traits.hits is Hits.NODE:
            return on_node(fault, pods, nodes_of(self.cluster).drainable())
        return victims(fault, pods)

    def _evict(self, watch: Watch, now: Instant) -> None:
        """Ask for those whom the budget has not let go yet. What else refuses them fails the fault."""
        if not watch.to_evict or now.monotonic_s < watch.ask_at_s:
            return
        refused = []
        try:
            for pod in watch.to_evict:
                try:
                    evictions_of(self.cluster).evict(pod)
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
        self._put_back(watch)
        self._fail(watch.fault, reason)

    def _look_for_recovery(self, watch: Watch, now: Instant) -> None:
        traits = watch.fault.kind.traits
        if traits.lasts and not watch.put_back:
            return
        pods = self.cluster.pods()
        gone = set() if traits.keeps_pods else {pod.uid for pod in watch.targets}
        ready = sum(pod.ready and pod.uid not in gone for pod in pods)
        settled = all(pod.ready or pod.terminating for pod in pods)
        if ready == watch.replicas and settled:
            watch.recovered = True
            self.journal.recovered(watch.fault, ready, now)
            self._put_back(watch)

    def _end(self, watch: Watch, now: Instant) -> None:
        """What is to last so long lasts from the moment when its effect was seen."""
        if watch.effect is None or not watch.fault.kind.traits.lasts:
            return
        if now.monotonic_s - watch.effect.monotonic_s >= watch.fault.duration_s:
            self._put_back(watch)

    def _put_back(self, watch: Watch) -> None:
        """A no-op where that was done."""
        if not watch.put_back:
            verbs.undo(self.cluster, watch.fault, watch.targets, watch.node, watch.replicas)
            watch.put_back = True

    def _fail(self, fault: PlannedFault, reason: str) -> None:
        self.journal.failed(fault, reason)
        self._failures.append(f"fault {fault.fault} ({fault.kind}): {reason}")


_SHOWN_BY = {
    Shows.EXIT: Transition.CONTAINER_EXITED,
    Shows.GONE: Transition.GONE,
    Shows.READY: Transition.READY,
    Shows.STARTED: Transition.CONTAINER_STARTED,
    Shows.UNREADY: Transition.UNREADY,
    Shows.REPLACED: Transition.GONE,
}


def _note(watch: Watch, transition: PodTransition) -> None:
    if transition.transition is not _SHOWN_BY.get(watch.fault.kind.traits.shows):
        return
    hit = {pod.uid for pod in watch.targets}
    if hit and transition.pod.uid not in hit:
        return
    watch.seen.setdefault(transition.pod.uid, transition)


def _effect(watch: Watch, pods: Sequence[Pod]) -> tuple[str, Instant] | None:
    """The effect in words and when it was complete, or None while it is not."""
    fault, seen, traits = watch.fault, watch.seen, watch.fault.kind.traits
    effect = traits.effect.format(
        node=watch.node, duration=fault.duration_s, revision=watch.revision, count=len(seen)
    )
    if traits.shows is Shows.AT_ONCE:
        hit = ", ".join(pod.name for pod in watch.targets)
        return f"{effect}: {hit}" if hit else effect, watch.acted
    if traits.shows is Shows.REPLACED:
        old = [pod for pod in pods if pod.revision == watch.revision]
        if old or not seen:
            return None
        return effect, max(t.at for t in seen.values())
    if len(seen) < (len(watch.targets) or fault.count):
        return None
    names = ", ".join(f"{t.pod.name}{f' ({t.detail})' if t.detail else ''}" for t in seen.values())
    return f"{effect}: {names}", max(t.at for t in seen.values())


def _revision(pods: Sequence[Pod]) -> str:
    living = [pod for pod in pods if not pod.terminating]
    return living[-1].revision if living else ""
