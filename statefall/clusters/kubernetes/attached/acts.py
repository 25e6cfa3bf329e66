"""What is done to single pods of a workload that stands already, and to the nodes that carry them.

Each act asks the API server anew whether the pod is the one that was chosen: its UID, and whose it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api, Refused
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.attached.commands import KILL
from statefall.clusters.kubernetes.attached.workload import Family, FoundWorkload
from statefall.clusters.kubernetes.objects.kinds import NODE, POD, Object, name_of
from statefall.clusters.kubernetes.objects.pods import eviction, pod_of, running, with_first
from statefall.clusters.kubernetes.objects.shell import GO_ON, PAUSE
from statefall.clusters.kubernetes.observe.informer import Informer
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.protocol import ClusterError, EvictionRefused, Pod

_DEATH_TOLD_S: Final = 5.0
"""Until the kubelet has told of a container's death; it looks each second."""
_NOT_FOUND: Final = 404
_TOO_MANY_REQUESTS: Final = 429
_ASK_AGAIN_S: Final = 1.0


class Acts:
    """Faults at the pods of one workload."""

    def __init__(
        self,
        api: Api,
        informer: Informer,
        workload: FoundWorkload,
        family: Family,
        container: str,
        most_down: int,
    ) -> None:
        """`container`: the one that is hit. `most_down`: how many pods may be down at once."""
        self._api, self._informer = api, informer
        self._workload, self._family = workload, family
        self._container, self._most_down = container, most_down
        self._hit: dict[str, str] = {}
        """UID -> container, of pods that were hit: as yet they may look as if nothing had been."""
        self.wanted = workload.replicas
        """How many there should be now."""

    def pods(self) -> tuple[Pod, ...]:
        """The workload's own, terminating ones included, in order of creation."""
        objects = self._informer.look(lambda view: view.of(self._workload.name))
        assert isinstance(objects, list)
        return tuple(pod_of(obj) for obj in objects if self._family.belongs(obj, self._workload))

    def kill(self, pod: Pod) -> None:
        """SIGKILL every process of the container. Raises ClusterError when it lives on."""
        container = pod_of(self._chosen(pod, runs=True)).container_id

        def died(view: NamespaceView) -> bool:
            now = view.pods.get(pod.uid)
            return now is None or not running(now) or pod_of(now).container_id != container

        with self._counted(pod):
            ended = run_in(self._api, pod.name, list(KILL), container=self._container)
            if not self._informer.wait_for(died, _DEATH_TOLD_S):
                said = " ".join(ended.output.split()) or ended.problem
                raise ClusterError(
                    f"pod {pod.name} was not killed: the first process of its container cannot be reached "
                    f"from inside ({said}); `delete-now` can"
                )

    def pause(self, pod: Pod) -> None:
        """SIGSTOP every process but the first. Raises ClusterError when one does not stand still."""
        self._chosen(pod, runs=True)
        with self._counted(pod):
            ended = run_in(self._api, pod.name, list(PAUSE), container=self._container)
            states = ended.output.split()
            if not ended.fine or not states or set(states) != {"T"}:
                told = ended.problem or f"its processes are {', '.join(states) or 'none but the first'}"
                with suppress(ClusterError):
                    self.resume(pod)
                raise ClusterError(f"pod {pod.name} was not paused: {told}")

    def resume(self, pod: Pod) -> None:
        """SIGCONT; a no-op when the pod is gone or its container ended."""
        self._hit.pop(pod.uid, None)
        obj = self._api.get(POD, pod.name)
        if obj is None or str(obj["metadata"]["uid"]) != pod.uid:
            return
        if not running(with_first(obj, self._container)):
            return
        ended = run_in(self._api, pod.name, list(GO_ON), container=self._container)
        if ended.fine is False:
            raise ClusterError(f"pod {pod.name} does not go on: {ended.problem}")

    def delete(self, pod: Pod, grace_s: float | None) -> None:
        """Delete it if it is still this one."""
        self._chosen(pod)
        with self._counted(pod):
            if not self._api.delete(POD, pod.name, uid=pod.uid, grace_s=grace_s):
                raise ClusterError(f"pod {pod.name} is gone")

    def evict(self, pod: Pod) -> None:
        """Ask once for its eviction. Raises EvictionRefused while a budget, or `most_down`, says not now."""
        self._chosen(pod)
        if self._down() >= self._most_down and pod.uid not in self._hit:
            raise EvictionRefused(f"{self._down()} replicas are down already", _ASK_AGAIN_S)
        try:
            self._api.post(POD, pod.name, "eviction", eviction(pod, self._api.namespace))
        except Refused as refusal:
            if refusal.status == _NOT_FOUND:
                raise ClusterError(f"pod {pod.name} is gone") from refusal
            if refusal.status != _TOO_MANY_REQUESTS:
                raise
            raise EvictionRefused(str(refusal), refusal.retry_after_s or _ASK_AGAIN_S) from refusal
        self._hit[pod.uid] = pod.container_id

    def drainable(self) -> tuple[str, ...]:
        """The nodes with replicas, where another takes pods; in order of name."""
        free = {name_of(node) for node in self._api.list(NODE).items if not node["spec"].get("unschedulable")}
        mine = {pod.node for pod in self.pods() if not pod.terminating}
        return tuple(sorted(mine & free)) if len(free) > 1 else ()

    def _down(self) -> int:
        """How many of the wanted replicas are not there, or were hit just now."""
        now = {pod.uid: pod for pod in self.pods()}
        self._hit = {
            uid: container
            for uid, container in self._hit.items()
            if uid in now and now[uid].container_id == container
        }
        up = sum(pod.ready and uid not in self._hit for uid, pod in now.items())
        return max(self.wanted - up, 0)

    @contextmanager
    def _counted(self, pod: Pod) -> Iterator[None]:
        """The pod counts as down from here on, unless it fails. Raises ClusterError when that is too many."""
        down = self._down()
        if down >= self._most_down:
            raise ClusterError(
                f"{down} of {self.wanted} replicas are down, and most_down is {self._most_down}: "
                f"pod {pod.name} is left alone"
            )
        self._hit[pod.uid] = pod.container_id
        try:
            yield
        except ClusterError:
            self._hit.pop(pod.uid, None)
            raise

    def _chosen(self, pod: Pod, *, runs: bool = False) -> Object:
        """The pod as it is now. Raises ClusterError when it is another, or somebody else's."""
        obj = self._api.get(POD, pod.name)
        if obj is None:
            raise ClusterError(f"pod {pod.name} is gone")
        uid = str(obj["metadata"]["uid"])
        if uid != pod.uid:
            raise ClusterError(f"pod {pod.name} was replaced since it was chosen (UID {uid}): left alone")
        if not self._family.belongs(obj, self._workload):
            raise ClusterError(f"pod {pod.name} is none of {self._workload.title}: left alone")
        obj = with_first(obj, self._container)
        if runs and not running(obj):
            raise ClusterError(f"pod {pod.name} has no running container {self._container}")
        return obj
