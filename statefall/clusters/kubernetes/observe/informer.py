"""Watches the namespace: pods and endpoints as they are, and what happens to the deployment's pods.

A list, then a watch from there; when a watch breaks or has expired it goes on from a new list, and
what vanished meanwhile is told as gone. Two threads, one for each watched kind; what they know is
under one condition, so that a caller can wait for a state instead of asking again and again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.watching import Expired, Watching
from statefall.clusters.kubernetes.objects.kinds import (
    ENDPOINT_SLICE,
    POD,
    Object,
    ObjectKind,
    labels_of,
)
from statefall.clusters.kubernetes.objects.labels import DEPLOYMENT_LABEL, OURS
from statefall.clusters.kubernetes.objects.pods import (
    pod_of,
    transitions,
    with_first,
)
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.protocol import ClusterError, Pod, PodTransition, Transition
from statefall.records.clock import Instant, system_clock
from statefall.records.errors import StatefallError

_WATCH_S: Final = 240
_OUT_OF_REACH_S: Final = 30.0
"""How long the API server may be out of reach before the informer gives up.

It counts from the first call that failed after one that worked: a watch that is silent says nothing,
neither that all is well nor since when it is not.
"""
_AGAIN_S: Final = 0.5
"""Between two attempts, so that a server that ends every watch at once is not stormed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the namespace is watched."""

    pods: str = OURS
    """Labels, as a selector of the API."""
    slices: str = OURS
    container: str = ""
    """The container of each pod that is spoken of; empty: its first."""
    whole: bool = False
    """These pods are one workload's: there is no deployment of ours to choose among them."""


class Informer:
    """The watches. `open`, then `wait_for`, `pods`, ...; `close` ends the threads."""

    def __init__(
        self,
        api: Api,
        tell: Callable[[PodTransition], None],
        *,
        scope: Scope | None = None,
        out_of_reach_s: float = _OUT_OF_REACH_S,
    ) -> None:
        self._api, self._tell, self._out_of_reach_s = api, tell, out_of_reach_s
        self._scope = scope or Scope()
        self._view = NamespaceView(whole=self._scope.whole)
        self._changed = threading.Condition()
        self._deployment = ""
        self._routed: dict[str, str] = {}
        self._gone: dict[str, Pod] = {}
        """Pods of the deployment that are no more, by UID: their endpoints may be withdrawn later."""
        self._last = Instant(0.0, 0.0)
        self._closing = threading.Event()
        self._watching: dict[ObjectKind, Watching] = {}
        self._lost_since: dict[ObjectKind, float] = {}
        """Since when a kind is out of reach, on the monotonic clock; absent while it is not."""
        self._listed: dict[ObjectKind, threading.Event] = {
            POD: threading.Event(),
            ENDPOINT_SLICE: threading.Event(),
        }
        self._threads = [
            threading.Thread(
                target=self._keep_watching, args=(kind,), name=f"watch {kind.plural}", daemon=True
            )
            for kind in (POD, ENDPOINT_SLICE)
        ]

    def open(self) -> None:
        """Begin, and return once both kinds were listed. Raises what the API server refused."""
        for thread in self._threads:
            thread.start()
        for listed in self._listed.values():
            if not listed.wait(_OUT_OF_REACH_S):
                raise ClusterError(f"the API server did not list the pods within {_OUT_OF_REACH_S:.0f} s")
        self._refuse_if_broken()

    def close(self) -> None:
        """End the watches."""
        self._closing.set()
        with self._changed:
            for watching in self._watching.values():
                watching.end()
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5.0)

    def follow(self, deployment: str) -> None:
        """From now on, tell what happens to the pods of this deployment (empty: of none)."""
        with self._changed:
            self._deployment = deployment
            self._routed, self._gone = {}, {}

    def look(self, question: Callable[[NamespaceView], object]) -> object:
        """Ask something of what is known now."""
        with self._changed:
            self._refuse_if_broken()
            return question(self._view)

    def pods(self, deployment: str) -> tuple[Pod, ...]:
        """The deployment's pods, terminating ones included, in order of creation."""
        with self._changed:
            self._refuse_if_broken()
            return tuple(pod_of(obj) for obj in self._view.of(deployment))

    def find(self, uid: str) -> Object | None:
        """The pod with this UID as last seen."""
        with self._changed:
            return self._view.pods.get(uid)

    def wait_for(self, settled: Callable[[NamespaceView], bool], timeout_s: float) -> bool:
        """Wait until a state has come; False when the time is over. `settled` may raise to end it."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                self._refuse_if_broken()
                if settled(self._view):
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, 1.0))

    # -- the threads ----------------------------------------------------------------------------------

    def _keep_watching(self, kind: ObjectKind) -> None:
        while not self._closing.is_set():
            try:
                self._listen(kind)
            except Expired:
                self._lost_since.pop(kind, None)  # the API server answered: nothing is out of reach
            except StatefallError as error:
                if self._closing.is_set():
                    return
                lost_since = self._lost_since.setdefault(kind, time.monotonic())
                if not self._listed[kind].is_set() or time.monotonic() - lost_since > self._out_of_reach_s:
                    self._give_up(str(error))
                    return
            except Exception as error:  # noqa: BLE001 - told to whoever calls next; a thread has no caller
                self._give_up(f"{type(error).__name__}: {error}")
                return
            self._closing.wait(_AGAIN_S)

    def _listen(self, kind: ObjectKind) -> None:
        labels = self._scope.pods if kind is POD else self._scope.slices
        listing = self._api.list(kind, labels)
        self._take_list(kind, listing.items)
        self._listed[kind].set()
        self._lost_since.pop(kind, None)
        version = listing.version
        while not self._closing.is_set():
            began = time.monotonic()
            with self._api.watch(kind, labels, version, _WATCH_S) as watching:
                with self._changed:
                    self._watching[kind] = watching
                    if self._closing.is_set():
                        return
                for change in watching:
                    self._lost_since.pop(kind, None)
                    version = str(change.object["metadata"]["resourceVersion"])
                    if change.type != "BOOKMARK":
                        self._take(kind, change.object, gone=change.type == "DELETED")
            if time.monotonic() - began < _AGAIN_S:
                self._closing.wait(_AGAIN_S)

    def _give_up(self, reason: str) -> None:
        with self._changed:
            self._view.broken = reason
            self._changed.notify_all()
        for listed in self._listed.values():
            listed.set()

    def _take_list(self, kind: ObjectKind, items: Iterable[Object]) -> None:
        now = {str(item["metadata"]["uid"]): item for item in items}
        with self._changed:
            known = self._view.pods if kind is POD else self._view.slices
            for uid in [uid for uid in known if uid not in now]:
                self._take(kind, known[uid], gone=True)
            for item in now.values():
                self._take(kind, item)

    def _take(self, kind: ObjectKind, obj: Object, *, gone: bool = False) -> None:
        uid = str(obj["metadata"]["uid"])
        if kind is POD:
            obj = with_first(obj, self._scope.container)
        with self._changed:
            known = self._view.pods if kind is POD else self._view.slices
            before = known.get(uid)
            if gone:
                known.pop(uid, None)
                self._view.troubled.pop(uid, None)
            elif kind is POD:
                self._view.take_pod(obj, time.monotonic())
            else:
                known[uid] = obj
            if kind is POD:
                self._tell_of_pod(before, obj, gone)
            else:
                self._tell_of_endpoints()
            self._changed.notify_all()

    def _tell_of_pod(self, before: Object | None, after: Object, gone: bool) -> None:
        if not self._deployment:
            return
        if not self._scope.whole and labels_of(after).get(DEPLOYMENT_LABEL) != self._deployment:
            return
        at, pod = self._moment(), pod_of(after, gone=gone)
        if gone:
            self._gone[pod.uid] = pod
        for transition, detail in transitions(before, after, gone=gone):
            self._tell(PodTransition(transition, pod, at, detail))

    def _tell_of_endpoints(self) -> None:
        if not self._deployment:
            return
        now = self._view.endpoints(self._deployment)
        closed = {uid: "closed" for uid in self._routed if uid not in now}
        changed = {uid: state for uid, state in now.items() if self._routed.get(uid) != state}
        at = self._moment()
        for uid, became in (closed | changed).items():
            obj = self._view.pods.get(uid)
            pod = pod_of(obj) if obj is not None else self._gone.get(uid)
            if pod is not None:
                self._tell(PodTransition(Transition.ENDPOINTS, pod, at, became))
        self._routed = now

    def _moment(self) -> Instant:
        """When it was seen; never before what was told already."""
        self._last = max(system_clock(), self._last)
        return self._last

    def _refuse_if_broken(self) -> None:
        if self._view.broken:
            raise ClusterError(f"the cluster can no longer be watched: {self._view.broken}")
