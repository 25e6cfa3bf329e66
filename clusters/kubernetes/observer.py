"""Watches the namespace: pods and endpoints as they are, and what happens to the deployment's pods.

A list, then a watch from there; when a watch breaks or has expired it goes on from a new list, and
what vanished meanwhile is told as gone. Two threads, one for each watched kind; what they know is
under one condition, so that a caller can wait for a state instead of asking again and again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from clusters.kubernetes.api import OURS, Api
from clusters.kubernetes.kinds import ENDPOINT_SLICE, POD, Kind, Object, labels_of, name_of
from clusters.kubernetes.pods import (
    DEPLOYMENT_LABEL,
    endpoint_states,
    patience_s,
    pod_of,
    problem,
    transitions,
)
from clusters.kubernetes.watching import Expired, Watching
from clusters.protocol import ClusterError, Pod, PodTransition, Transition
from foundation.clock import Instant, system_clock
from foundation.errors import StatefallError

_WATCH_S: Final = 240
_PATIENCE_S: Final = 30.0
"""How long the API server may be out of reach before the observer gives up.

It counts from the first call that failed after one that worked: a watch that is silent says nothing,
neither that all is well nor since when it is not.
"""
_AGAIN_S: Final = 0.5
"""Between two attempts, so that a server that ends every watch at once is not stormed."""


@dataclass(slots=True)
class View:
    """What is known now. Objects are by UID, in the order of first sight."""

    pods: dict[str, Object] = field(default_factory=dict)
    slices: dict[str, Object] = field(default_factory=dict)
    broken: str = ""
    troubled: dict[str, float] = field(default_factory=dict)
    """Since when a pod has had a problem, by UID; on the monotonic clock, in seconds."""

    def take_pod(self, thing: Object, now_s: float) -> None:
        """A pod as it is seen now."""
        uid = str(thing["metadata"]["uid"])
        self.pods[uid] = thing
        if problem(thing):
            self.troubled.setdefault(uid, now_s)
        else:
            self.troubled.pop(uid, None)

    def final_problem(self, thing: Object) -> str:
        """Why this pod will not come up by waiting, in words; empty while it may."""
        since = self.troubled.get(str(thing["metadata"]["uid"]))
        if since is None or time.monotonic() - since < patience_s(thing):
            return ""
        return problem(thing)

    def labelled(self, label: str, value: str) -> list[Object]:
        """The pods that carry this label."""
        return [pod for pod in self.pods.values() if labels_of(pod).get(label) == value]

    def of(self, deployment: str) -> list[Object]:
        """The deployment's pods, terminating ones included, in order of creation."""
        pods = self.labelled(DEPLOYMENT_LABEL, deployment)
        return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], name_of(pod)))

    def endpoints(self, service: str) -> dict[str, str]:
        """UID -> `open` or `fenced`, of the pods behind a Service."""
        label = "kubernetes.io/service-name"
        return endpoint_states([s for s in self.slices.values() if labels_of(s).get(label) == service])


class Observer:
    """The watches. `open`, then `wait_for`, `pods`, ...; `close` ends the threads."""

    def __init__(
        self, api: Api, tell: Callable[[PodTransition], None], *, patience_s: float = _PATIENCE_S
    ) -> None:
        self._api, self._tell, self._patience_s = api, tell, patience_s
        self._view = View()
        self._changed = threading.Condition()
        self._deployment = ""
        self._routed: dict[str, str] = {}
        self._gone: dict[str, Pod] = {}
        """Pods of the deployment that are no more, by UID: their endpoints may be withdrawn later."""
        self._last = Instant(0.0, 0.0)
        self._closing = threading.Event()
        self._watching: dict[Kind, Watching] = {}
        self._lost_since: dict[Kind, float] = {}
        """Since when a kind is out of reach, on the monotonic clock; absent while it is not."""
        self._listed: dict[Kind, threading.Event] = {
            POD: threading.Event(),
            ENDPOINT_SLICE: threading.Event(),
        }
        self._threads = [
            threading.Thread(target=self._observe, args=(kind,), name=f"watch {kind.plural}", daemon=True)
            for kind in (POD, ENDPOINT_SLICE)
        ]

    def open(self) -> None:
        """Begin, and return once both kinds were listed. Raises what the API server refused."""
        for thread in self._threads:
            thread.start()
        for listed in self._listed.values():
            if not listed.wait(_PATIENCE_S):
                raise ClusterError(f"the API server did not list the pods within {_PATIENCE_S:.0f} s")
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

    def look(self, question: Callable[[View], object]) -> object:
        """Ask something of what is known now."""
        with self._changed:
            self._refuse_if_broken()
            return question(self._view)

    def pods(self, deployment: str) -> tuple[Pod, ...]:
        """The deployment's pods, terminating ones included, in order of creation."""
        with self._changed:
            self._refuse_if_broken()
            return tuple(pod_of(thing) for thing in self._view.of(deployment))

    def find(self, uid: str) -> Object | None:
        """The pod with this UID as last seen."""
        with self._changed:
            return self._view.pods.get(uid)

    def wait_for(self, settled: Callable[[View], bool], timeout_s: float) -> bool:
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

    def _observe(self, kind: Kind) -> None:
        while not self._closing.is_set():
            try:
                self._listen(kind)
            except Expired:
                self._lost_since.pop(kind, None)  # the API server answered: nothing is out of reach
            except StatefallError as error:
                if self._closing.is_set():
                    return
                lost_since = self._lost_since.setdefault(kind, time.monotonic())
                if not self._listed[kind].is_set() or time.monotonic() - lost_since > self._patience_s:
                    self._give_up(str(error))
                    return
            except Exception as error:  # noqa: BLE001 - told to whoever calls next; a thread has no caller
                self._give_up(f"{type(error).__name__}: {error}")
                return
            self._closing.wait(_AGAIN_S)

    def _listen(self, kind: Kind) -> None:
        labels = OURS
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

    def _take_list(self, kind: Kind, items: Iterable[Object]) -> None:
        now = {str(item["metadata"]["uid"]): item for item in items}
        with self._changed:
            known = self._view.pods if kind is POD else self._view.slices
            for uid in [uid for uid in known if uid not in now]:
                self._take(kind, known[uid], gone=True)
            for item in now.values():
                self._take(kind, item)

    def _take(self, kind: Kind, thing: Object, *, gone: bool = False) -> None:
        uid = str(thing["metadata"]["uid"])
        with self._changed:
            known = self._view.pods if kind is POD else self._view.slices
            before = known.get(uid)
            if gone:
                known.pop(uid, None)
                self._view.troubled.pop(uid, None)
            elif kind is POD:
                self._view.take_pod(thing, time.monotonic())
            else:
                known[uid] = thing
            if kind is POD:
                self._tell_of_pod(before, thing, gone)
            else:
                self._tell_of_endpoints()
            self._changed.notify_all()

    def _tell_of_pod(self, before: Object | None, after: Object, gone: bool) -> None:
        if not self._deployment or labels_of(after).get(DEPLOYMENT_LABEL) != self._deployment:
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
            thing = self._view.pods.get(uid)
            pod = pod_of(thing) if thing is not None else self._gone.get(uid)
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
