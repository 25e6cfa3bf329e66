"""What a cluster told, and waiting for what it has yet to tell."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from statefall.clusters.capabilities import evictions_of, nodes_of
from statefall.clusters.kubernetes.api.access import configuration
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import NAMESPACE
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.protocol import Cluster, EvictionRefused, Pod, PodTransition, Transition

DEADLINE_S = 120.0
LEFT = [Transition.TERMINATING, Transition.CONTAINER_EXITED, Transition.GONE]
"""How a pod goes that was given its grace."""


class Timeline:
    """Every transition since it was made. Subscribe with `cluster.subscribe(timeline)`."""

    def __init__(self) -> None:
        self._seen: list[PodTransition] = []
        self._changed = threading.Condition()

    def __call__(self, transition: PodTransition) -> None:
        with self._changed:
            self._seen.append(transition)
            self._changed.notify_all()

    def of(self, uid: str) -> list[Transition]:
        """What happened to a pod, in order, endpoints left out."""
        with self._changed:
            return [
                t.transition
                for t in self._seen
                if t.pod.uid == uid and t.transition is not Transition.ENDPOINTS
            ]

    def all(self, transition: Transition) -> list[PodTransition]:
        with self._changed:
            return [t for t in self._seen if t.transition is transition]

    def fewest_ready(self, pods: tuple[Pod, ...]) -> int:
        """How few were ready at any moment since, when these were at the beginning."""
        ready = {pod.uid for pod in pods}
        fewest = len(ready)
        with self._changed:
            for t in self._seen:
                if t.transition is Transition.READY:
                    ready.add(t.pod.uid)
                elif t.transition in {Transition.UNREADY, Transition.TERMINATING}:
                    ready.discard(t.pod.uid)
                fewest = min(fewest, len(ready))
        return fewest

    def wait(self, uid: str, transition: Transition, detail: str | None = None) -> PodTransition:
        """The first such transition of the pod, past or to come. Fails after a generous deadline."""

        def found() -> PodTransition | None:
            for t in self._seen:
                if t.pod.uid == uid and t.transition is transition and detail in (None, t.detail):
                    return t
            return None

        deadline = time.monotonic() + DEADLINE_S
        with self._changed:
            while (match := found()) is None:
                left = deadline - time.monotonic()
                assert left > 0, f"{transition} of {uid} did not come; seen: {self.of(uid)}"
                self._changed.wait(left)
            return match


def wait_until(cluster: Cluster, settled: Callable[[tuple[Pod, ...]], bool], what: str) -> tuple[Pod, ...]:
    """The pods, once they are as wanted. Fails after a generous deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not settled(pods := cluster.pods()):
        assert time.monotonic() < deadline, f"waited in vain until {what}; pods: {pods}"
        time.sleep(0.1)
    return pods


def evicted(cluster: Cluster, pod: Pod) -> None:
    """Have its eviction granted, however long a disruption budget takes."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            evictions_of(cluster).evict(pod)
            return
        except EvictionRefused as refusal:
            if time.monotonic() > deadline:
                raise
            time.sleep(refusal.retry_after_s)


def emptied(cluster: Cluster, node: str) -> tuple[Pod, ...]:
    """Drain the node: the pods that were there and are gone."""
    there = nodes_of(cluster).cordon(node)
    for pod in there:
        evicted(cluster, pod)
    uids = {pod.uid for pod in there}
    wait_until(cluster, lambda pods: uids.isdisjoint(pod.uid for pod in pods), f"{node} is empty")
    return there


def all_ready(replicas: int) -> Callable[[tuple[Pod, ...]], bool]:
    """So many pods, all ready."""
    return lambda pods: len(pods) == replicas and all(pod.ready for pod in pods)


def remove(api: Api) -> None:
    """Ask for the namespace to go, if it stands."""
    if api.get(NAMESPACE, api.namespace) is not None:
        api._call("DELETE", NAMESPACE.path("", api.namespace), "remove what a test made")


def removed(api: Api) -> None:
    """Have the namespace gone."""
    remove(api)
    deadline = time.monotonic() + DEADLINE_S
    while api.get(NAMESPACE, api.namespace) is not None:
        assert time.monotonic() < deadline, f"namespace {api.namespace} would not go"
        time.sleep(0.2)


WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
"""Which of the test processes that run side by side this is: each has namespaces of its own."""
_NUMBERS = itertools.count(1)


def another(name: str) -> str:
    """A name that no other test has: its namespace may still be on its way out."""
    return f"{name}-{WORKER}-{next(_NUMBERS)}"


@contextmanager
def vacant(target: RunTarget) -> Iterator[Api]:
    """The API server as seen from a namespace that does not stand, and soon does not afterwards.

    Nobody waits for its end but the next who wants the same name.
    """
    api = Api(configuration(target), target.namespace)
    try:
        removed(api)
        try:
            yield api
        finally:
            remove(api)
    finally:
        api.close()
