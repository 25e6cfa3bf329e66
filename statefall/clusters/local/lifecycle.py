"""What a kubelet does with one pod, as pure functions of its state and the time.

Nothing here starts, probes or kills: `due` says what is to be done now, `next_due` when to ask
again, and the other functions say what the state becomes once something has happened.
All times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from statefall.clusters.protocol import Pod, Transition

PROBE_PERIOD_S: Final = 0.5
PROBE_TIMEOUT_S: Final = 1.0
FAILURE_THRESHOLD: Final = 3
"""So many failed probes in a row make a ready pod unready (Kubernetes' default)."""
BACKOFF_FIRST_S: Final = 10.0
BACKOFF_MAX_S: Final = 300.0
BACKOFF_RESET_S: Final = 600.0
"""A container that ran so long starts again at once (kubelet: twice the maximum)."""
MINIMUM_STOP_S: Final = 2.0
"""What is left for SIGTERM when preStop has spent the grace period (kubelet: minimumGracePeriodInSeconds)."""


class PodStep(Enum):
    """What is to be done with a pod now."""

    START = auto()
    TERM = auto()
    KILL = auto()
    REMOVE = auto()


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod. It begins without a container, to be started at once."""

    name: str
    uid: str
    address: str
    revision: str
    created_s: float
    container_id: str = ""
    running: bool = False
    started_s: float = 0.0
    restart_count: int = 0
    backoff_s: float = 0.0
    """How long the next restart will wait."""
    restart_at_s: float = 0.0
    passing: bool = False
    """The verdict of its readiness probe."""
    misses: int = 0
    """Failed probes in a row."""
    ready_since_s: float | None = None
    terminating: bool = False
    term_at_s: float | None = None
    """When preStop ends and SIGTERM is due; None when it was sent or never will be."""
    kill_at_s: float | None = None

    @property
    def serving(self) -> bool:
        """Passes its probe."""
        return self.running and self.passing

    @property
    def ready(self) -> bool:
        """Gets new clients."""
        return self.serving and not self.terminating

    def seen(self) -> Pod:
        """The pod as others see it."""
        return Pod(
            name=self.name,
            uid=self.uid,
            address=self.address,
            container_id=self.container_id,
            restart_count=self.restart_count,
            ready=self.ready,
            serving=self.serving,
            terminating=self.terminating,
            revision=self.revision,
        )


def due(pod: PodState, now_s: float) -> PodStep | None:
    """What is to be done with it now, if anything."""
    if not pod.running:
        if pod.terminating:
            return PodStep.REMOVE
        return PodStep.START if now_s >= pod.restart_at_s else None
    if pod.kill_at_s is not None and now_s >= pod.kill_at_s:
        return PodStep.KILL
    if pod.term_at_s is not None and now_s >= pod.term_at_s:
        return PodStep.TERM
    return None


def next_due(pod: PodState) -> float | None:
    """When `due` may next have something to say without anything else happening."""
    if not pod.running:
        return None if pod.terminating else pod.restart_at_s
    return min((at for at in (pod.term_at_s, pod.kill_at_s) if at is not None), default=None)


def started(pod: PodState, container_id: str, now_s: float) -> PodState:
    """Its container runs; any but the first start is a restart."""
    count = pod.restart_count + 1 if pod.container_id else 0
    return replace(pod, container_id=container_id, running=True, started_s=now_s, restart_count=count)


def exited(pod: PodState, now_s: float) -> PodState:
    """Its container has ended, however: it is restarted after the back-off, unless the pod is to go."""
    backoff_s = 0.0 if now_s - pod.started_s >= BACKOFF_RESET_S else pod.backoff_s
    return replace(
        pod,
        running=False,
        passing=False,
        misses=0,
        ready_since_s=None,
        restart_at_s=now_s + backoff_s,
        backoff_s=min(max(2 * backoff_s, BACKOFF_FIRST_S), BACKOFF_MAX_S),
        term_at_s=None,
        kill_at_s=None,
    )


def probed(pod: PodState, passed: bool, now_s: float) -> PodState:
    """Its readiness probe has passed or failed once more."""
    if passed:
        since = now_s if pod.ready_since_s is None else pod.ready_since_s
        return replace(pod, passing=True, misses=0, ready_since_s=since)
    misses = pod.misses + 1
    if pod.passing and misses < FAILURE_THRESHOLD:
        return replace(pod, misses=misses)
    return replace(pod, passing=False, misses=misses, ready_since_s=None)


def deleted(pod: PodState, now_s: float, *, grace_s: float, pre_stop_s: float) -> PodState:
    """It is to go: preStop, SIGTERM, and SIGKILL at the end of the grace period; at once without grace.

    A pod that is going already can be given less time, not more.
    """
    term_at_s = now_s + min(pre_stop_s, grace_s)
    kill_at_s = now_s if grace_s <= 0 else max(now_s + grace_s, term_at_s + MINIMUM_STOP_S)
    if pod.terminating:
        earlier = kill_at_s if pod.kill_at_s is None else min(kill_at_s, pod.kill_at_s)
        return replace(pod, kill_at_s=earlier)
    return replace(pod, terminating=True, term_at_s=term_at_s, kill_at_s=kill_at_s)


def told_to_stop(pod: PodState) -> PodState:
    """SIGTERM was sent."""
    return replace(pod, term_at_s=None)


def told_to_die(pod: PodState) -> PodState:
    """SIGKILL was sent."""
    return replace(pod, term_at_s=None, kill_at_s=None)


def transitions(before: PodState | None, after: PodState | None) -> list[Transition]:
    """What a watcher sees happen between two states of a pod, in the order of cause and effect."""
    if before is None:
        return [Transition.CREATED]
    if after is None:
        return [Transition.GONE]
    found = []
    if after.terminating and not before.terminating:
        found.append(Transition.TERMINATING)
    if before.running and not after.running:
        found.append(Transition.CONTAINER_EXITED)
    if after.running and after.container_id != before.container_id:
        found.append(Transition.CONTAINER_STARTED)
    if before.ready and not after.ready and not after.terminating:
        found.append(Transition.UNREADY)
    if after.ready and not before.ready:
        found.append(Transition.READY)
    return found
