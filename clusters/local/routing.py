"""The endpoint controller: keeps the balancer told of the endpoints, and says when it has taken them up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable

from clusters.local.lifecycle import PodState
from clusters.local.traefik import Endpoint, Route, Traefik
from clusters.protocol import ClusterError


def endpoints(pods: Iterable[PodState]) -> tuple[Endpoint, ...]:
    """Who gets requests: the ready, and fenced those that terminate and serve still."""
    return tuple(Endpoint(pod.uid, pod.address, fenced=pod.terminating) for pod in pods if pod.serving)


def changes(before: Route | None, after: Route) -> dict[str, str]:
    """UID -> `open`, `fenced` or `closed`, of every pod whose endpoint became that."""
    was = {endpoint.uid: endpoint for endpoint in before.endpoints} if before else {}
    now = {endpoint.uid: endpoint for endpoint in after.endpoints}
    changed = {uid: "closed" for uid in was if uid not in now}
    for uid, endpoint in now.items():
        if was.get(uid) != endpoint:
            changed[uid] = "fenced" if endpoint.fenced else "open"
    return changed


class Router:
    """Hands routes to the balancer from a thread of its own, since that waits until they are taken up."""

    def __init__(
        self, balancer: Traefik, on_taken: Callable[[Route], None], on_failure: Callable[[str], None]
    ) -> None:
        self._balancer, self._on_taken, self._on_failure = balancer, on_taken, on_failure
        self._wanted: queue.Queue[Route | None] = queue.Queue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="router", daemon=True)
        self._thread.start()

    def want(self, route: Route) -> None:
        """Tell the balancer; `on_taken` is called once it follows."""
        self._wanted.put(route)

    def close(self) -> None:
        """Begin to end, even in the middle of telling; `join` waits."""
        self._closing.set()
        self._wanted.put(None)

    def join(self) -> None:
        """Wait for the end; soon, once the balancer is gone too."""
        self._thread.join()

    def _run(self) -> None:
        while (route := self._wanted.get()) is not None and not self._closing.is_set():
            try:
                self._balancer.tell(route, stop=self._closing)
            except ClusterError as error:
                if not self._closing.is_set():
                    self._on_failure(str(error))
                return
            self._on_taken(route)
