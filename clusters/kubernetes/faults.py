"""What is done to single pods and to nodes, each with its own precondition.

Whether a pod is the one that was meant is asked by UID: a name can come again with another pod.
"""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.api import PART_OF, Refused
from clusters.kubernetes.cordons import Cordons
from clusters.kubernetes.ground import Ground
from clusters.kubernetes.kinds import POD, Object, labels_of, name_of
from clusters.kubernetes.manifests import COMPONENT, REPLICA, RUN_LABEL
from clusters.kubernetes.observer import View
from clusters.kubernetes.pods import finished, pod_of, running
from clusters.kubernetes.tunnel import run_in
from clusters.protocol import ClusterError, EvictionRefused, Pod

_FIXED: Final = frozenset({"database", "store", "balancer", "load", "data", "conductor"})
"""Components that an experiment cannot go on without."""
_SIGKILLED: Final = 128 + 9
_DEATH_TOLD_S: Final = 5.0
"""Until the kubelet has told of a container's death; it looks each second."""
_NOT_FOUND: Final = 404
_TOO_MANY_REQUESTS: Final = 429
_ASK_AGAIN_S: Final = 1.0


class Faults:
    """Faults at the pods of this run, and at the nodes that carry them."""

    def __init__(self, ground: Ground, cordons: Cordons) -> None:
        self._ground, self._cordons = ground, cordons

    def kill(self, pod: Pod) -> None:
        """SIGKILL every process of the container but its init, from inside; the init ends with them.

        The command dies with its container, so how it ended says little: none told, or a SIGKILL of its
        own, is what should be; of another failure the container's fate decides. Raises ClusterError.
        """
        thing = self._mine(pod)
        if not running(thing):
            raise ClusterError(f"pod {pod.name} has no running container")
        ended = run_in(self._ground.api, pod.name, ["sh", "-c", "kill -KILL -1"])
        if ended.fine is not False or ended.code == _SIGKILLED:
            return
        container = pod_of(thing).container_id

        def died(view: View) -> bool:
            now = view.pods.get(pod.uid)
            return now is None or not running(now) or pod_of(now).container_id != container

        if not self._ground.observer.wait_for(died, _DEATH_TOLD_S):
            said = " ".join(ended.output.split())
            raise ClusterError(f"pod {pod.name} was not killed: {said or ended.problem}")

    def delete(self, pod: Pod, grace_s: float | None) -> None:
        """Delete it if it is still this one."""
        self._mine(pod)
        if not self._ground.api.delete(POD, pod.name, uid=pod.uid, grace_s=grace_s):
            raise ClusterError(f"pod {pod.name} is gone")

    def evict(self, pod: Pod) -> None:
        """Ask once for its eviction. Raises EvictionRefused while a disruption budget says not now."""
        self._mine(pod)
        try:
            self._ground.api.post(POD, pod.name, "eviction", _eviction(pod, self._ground.place.namespace))
        except Refused as refusal:
            if refusal.status == _NOT_FOUND:
                raise ClusterError(f"pod {pod.name} is gone") from refusal
            if refusal.status != _TOO_MANY_REQUESTS:
                raise
            raise EvictionRefused(str(refusal), refusal.retry_after_s or _ASK_AGAIN_S) from refusal

    def drainable(self) -> tuple[str, ...]:
        """The nodes with replicas of this run and no part that the experiment cannot go on without."""
        things = self._there()
        mine = {pod_of(thing).node for thing in things if self._is_mine(thing)}
        fixed = {pod_of(thing).node for thing in things if labels_of(thing).get(COMPONENT) in _FIXED}
        return tuple(sorted(mine - fixed - {""}))

    def cordon(self, node: str) -> tuple[Pod, ...]:
        """Let no new pod onto the node; returns this run's replicas that are there and not on their way out.

        What else of Statefall's is there stays (monitoring). Raises ClusterError, and changes nothing, when
        the node is unknown or carries a part that the experiment cannot go on without.
        """
        fixed = [thing for thing in self._there(node) if labels_of(thing).get(COMPONENT) in _FIXED]
        if fixed:
            raise ClusterError(
                f"node {node} carries {', '.join(sorted(name_of(thing) for thing in fixed))}, "
                "whose loss would end the experiment: drain another"
            )
        self._cordons.cordon(node)
        # Asked only now: until it was cordoned, a replica could still be put there.
        replicas = [pod_of(thing) for thing in self._there(node) if self._is_mine(thing)]
        return tuple(pod for pod in replicas if not pod.terminating)

    def _there(self, node: str | None = None) -> list[Object]:
        """Statefall's pods (on the node), those still coming up too; what has ended is in no way."""
        found = self._ground.observer.look(
            lambda view: [
                thing
                for thing in view.pods.values()
                if node in (None, pod_of(thing).node) and not finished(thing)
            ]
        )
        assert isinstance(found, list)
        return found

    def _mine(self, pod: Pod) -> Object:
        thing = self._ground.observer.find(pod.uid)
        if thing is None:
            raise ClusterError(f"no pod with UID {pod.uid} ({pod.name}): it is gone")
        if not self._is_mine(thing):
            raise ClusterError(f"pod {pod.name} is no replica of this run: left alone")
        return thing

    def _is_mine(self, thing: Object) -> bool:
        wanted = {PART_OF: "statefall", RUN_LABEL: self._ground.run, COMPONENT: REPLICA}
        return wanted.items() <= labels_of(thing).items()


def _eviction(pod: Pod, namespace: str) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }
