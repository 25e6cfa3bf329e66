"""What is done to single pods and to nodes, each with its own precondition.

Whether a pod is the one that was meant is asked by UID: a name can come again with another pod.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from statefall.clusters.kubernetes.api.calls import Refused
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.objects.kinds import POD, Object, labels_of, name_of
from statefall.clusters.kubernetes.objects.labels import COMPONENT, PART_OF, REPLICA, RUN_LABEL
from statefall.clusters.kubernetes.objects.pods import eviction, finished, pod_of, running
from statefall.clusters.kubernetes.objects.shell import PAUSE
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.kubernetes.ownership.cordons import Cordons
from statefall.clusters.kubernetes.run.context import RunContext
from statefall.clusters.protocol import ClusterError, EvictionRefused, Pod

_FIXED: Final = frozenset({"database", "store", "balancer", "load", "data", "conductor"})
"""Components that an experiment cannot go on without."""
_SIGKILLED: Final = 128 + 9
_DEATH_TOLD_S: Final = 5.0
"""Until the kubelet has told of a container's death; it looks each second."""
_NOT_FOUND: Final = 404
_TOO_MANY_REQUESTS: Final = 429
_ASK_AGAIN_S: Final = 1.0


class KubernetesFaults:
    """Faults at the pods of this run, and at the nodes that carry them."""

    def __init__(self, context: RunContext, cordons: Cordons) -> None:
        self._context, self._cordons = context, cordons

    def kill(self, pod: Pod) -> None:
        """SIGKILL every process of the container but its init, from inside; the init ends with them.

        The command dies with its container, so how it ended says little: none told, or a SIGKILL of its
        own, is what should be; of another failure the container's fate decides. Raises ClusterError.
        """
        obj = self._mine(pod)
        if not running(obj):
            raise ClusterError(f"pod {pod.name} has no running container")
        ended = run_in(self._context.api, pod.name, ["sh", "-c", "kill -KILL -1"])
        if ended.fine is not False or ended.code == _SIGKILLED:
            return
        container = pod_of(obj).container_id

        def died(view: NamespaceView) -> bool:
            now = view.pods.get(pod.uid)
            return now is None or not running(now) or pod_of(now).container_id != container

        if not self._context.informer.wait_for(died, _DEATH_TOLD_S):
            said = " ".join(ended.output.split())
            raise ClusterError(f"pod {pod.name} was not killed: {said or ended.problem}")

    def pause(self, pod: Pod) -> None:
        """SIGSTOP every process of the container but its init and the command itself, which then looks.

        Raises ClusterError when the command fails or one of them does not stand still.
        """
        obj = self._mine(pod)
        if not running(obj):
            raise ClusterError(f"pod {pod.name} has no running container")
        ended = run_in(self._context.api, pod.name, list(PAUSE))
        states = ended.output.split()
        if not ended.fine or not states or set(states) != {"T"}:
            told = ended.problem or f"its processes are {', '.join(states) or 'none'}"
            with suppress(ClusterError):
                self.resume(pod)
            raise ClusterError(f"pod {pod.name} was not paused: {told}")

    def resume(self, pod: Pod) -> None:
        """SIGCONT; a no-op when the pod is gone or its container ended."""
        obj = self._context.informer.find(pod.uid)
        if obj is None or not self._is_mine(obj) or not running(obj):
            return
        ended = run_in(self._context.api, pod.name, ["sh", "-c", "kill -CONT -1"])
        if ended.fine is False:
            raise ClusterError(f"pod {pod.name} does not go on: {ended.problem}")

    def delete(self, pod: Pod, grace_s: float | None) -> None:
        """Delete it if it is still this one."""
        self._mine(pod)
        if not self._context.api.delete(POD, pod.name, uid=pod.uid, grace_s=grace_s):
            raise ClusterError(f"pod {pod.name} is gone")

    def evict(self, pod: Pod) -> None:
        """Ask once for its eviction. Raises EvictionRefused while a disruption budget says not now."""
        self._mine(pod)
        try:
            self._context.api.post(POD, pod.name, "eviction", eviction(pod, self._context.target.namespace))
        except Refused as refusal:
            if refusal.status == _NOT_FOUND:
                raise ClusterError(f"pod {pod.name} is gone") from refusal
            if refusal.status != _TOO_MANY_REQUESTS:
                raise
            raise EvictionRefused(str(refusal), refusal.retry_after_s or _ASK_AGAIN_S) from refusal

    def drainable(self) -> tuple[str, ...]:
        """The nodes with replicas of this run and no part that the experiment cannot go on without."""
        objects = self._there()
        mine = {pod_of(obj).node for obj in objects if self._is_mine(obj)}
        fixed = {pod_of(obj).node for obj in objects if labels_of(obj).get(COMPONENT) in _FIXED}
        return tuple(sorted(mine - fixed - {""}))

    def cordon(self, node: str) -> tuple[Pod, ...]:
        """Let no new pod onto the node; returns this run's replicas that are there and not on their way out.

        What else of Statefall's is there stays (monitoring). Raises ClusterError, and changes nothing, when
        the node is unknown or carries a part that the experiment cannot go on without.
        """
        fixed = [obj for obj in self._there(node) if labels_of(obj).get(COMPONENT) in _FIXED]
        if fixed:
            raise ClusterError(
                f"node {node} carries {', '.join(sorted(name_of(obj) for obj in fixed))}, "
                "whose loss would end the experiment: drain another"
            )
        self._cordons.cordon(node)
        # Asked only now: until it was cordoned, a replica could still be put there.
        replicas = [pod_of(obj) for obj in self._there(node) if self._is_mine(obj)]
        return tuple(pod for pod in replicas if not pod.terminating)

    def _there(self, node: str | None = None) -> list[Object]:
        """Statefall's pods (on the node), those still coming up too; what has ended is in no way."""
        found = self._context.informer.look(
            lambda view: [
                obj for obj in view.pods.values() if node in (None, pod_of(obj).node) and not finished(obj)
            ]
        )
        assert isinstance(found, list)
        return found

    def _mine(self, pod: Pod) -> Object:
        obj = self._context.informer.find(pod.uid)
        if obj is None:
            raise ClusterError(f"no pod with UID {pod.uid} ({pod.name}): it is gone")
        if not self._is_mine(obj):
            raise ClusterError(f"pod {pod.name} is no replica of this run: left alone")
        return obj

    def _is_mine(self, obj: Object) -> bool:
        wanted = {PART_OF: "statefall", RUN_LABEL: self._context.run, COMPONENT: REPLICA}
        return wanted.items() <= labels_of(obj).items()
