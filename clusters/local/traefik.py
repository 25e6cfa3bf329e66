"""The balancer: Traefik, told its endpoints over its REST provider."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.local.loopback import Unanswered, request
from clusters.local.ports import Port
from clusters.local.processes import Child, ExitListener, Program, Spawner
from clusters.protocol import ClusterError

COOKIE = "statefall_balancer"
DIAL_TIMEOUT_S = 1
"""Default: 30 s, for which a request to a vanished address would hang."""
ANSWER_TIMEOUT_S = 10
IDLE_S = 30
"""Below the replicas' own keep-alive (75 s): else a POST may meet a connection that is just closing."""
THROTTLE_MS = 50
"""Default: 2 s, for which a dead endpoint would go on being served."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A pod as the balancer sees it."""

    uid: str
    address: str
    fenced: bool
    """Serving but terminating: keeps the clients whose cookie names it and gets no new ones."""


@dataclass(frozen=True, slots=True)
class Route:
    """All traffic to one deployment."""

    deployment: str
    sticky: bool
    endpoints: tuple[Endpoint, ...] = ()

    def load_balancer(self) -> dict[str, Any]:
        """Traefik's `loadBalancer`; without servers it answers 503."""
        balancer: dict[str, Any] = {"passHostHeader": True}
        if self.sticky:
            cookie = {"name": COOKIE, "httpOnly": True, "sameSite": "lax"}
            balancer["sticky"] = {"cookie": cookie}
        if self.endpoints:
            balancer["servers"] = [_server(endpoint) for endpoint in self.endpoints]
        return balancer

    def configuration(self) -> dict[str, Any]:
        """Traefik's dynamic configuration."""
        router = {"entryPoints": ["web"], "rule": "PathPrefix(`/`)", "service": self.deployment}
        services = {self.deployment: {"loadBalancer": self.load_balancer()}}
        return {"http": {"routers": {"everything": router}, "services": services}}


def _server(endpoint: Endpoint) -> dict[str, Any]:
    server: dict[str, Any] = {"url": f"http://{endpoint.address}"}
    return {**server, "fenced": True} if endpoint.fenced else server


class Traefik:
    """The running balancer."""

    def __init__(self, program: Path, entry: Port, control: Port) -> None:
        self.entry, self._control, self._program = entry, control, program
        self._child: Child | None = None

    def start(
        self,
        spawner: Spawner,
        directory: Path,
        log: Path,
        environment: Mapping[str, str],
        on_exit: ExitListener,
    ) -> None:
        """Start it; `await_ready` waits."""
        command = (str(self._program), *self._options())
        self._child = spawner.start(Program("balancer", command, log, directory, environment), on_exit)

    def _options(self) -> tuple[str, ...]:
        timeouts = "--serversTransport.forwardingTimeouts"
        return (
            f"--entryPoints.web.address={self.entry.address}",
            f"--entryPoints.traefik.address={self._control.address}",
            "--api.insecure=true",  # on loopback only, like the provider
            "--api.dashboard=false",
            "--providers.rest.insecure=true",
            f"--providers.providersThrottleDuration={THROTTLE_MS}ms",
            f"{timeouts}.dialTimeout={DIAL_TIMEOUT_S}s",
            f"{timeouts}.responseHeaderTimeout={ANSWER_TIMEOUT_S}s",
            f"{timeouts}.idleConnTimeout={IDLE_S}s",
            "--log.level=ERROR",
            "--global.checkNewVersion=false",
            "--global.sendAnonymousUsage=false",
        )

    def await_ready(self, timeout_s: float = 15.0) -> None:
        """Wait until its control interface is there. Raises ClusterError.

        It listens before that, and answers 404 to everything until its providers have been loaded.
        """
        deadline = time.monotonic() + timeout_s
        while (problem := self._unready()) is not None:
            if self._child is None or self._child.ended or time.monotonic() > deadline:
                words = self._child.last_words() if self._child else ""
                raise ClusterError(f"the balancer did not start: {words or problem}")
            time.sleep(0.01)

    def _unready(self) -> str | None:
        """What keeps it from being told its endpoints; None when nothing does."""
        try:
            status, _ = request(self._control.address, "GET", "/api/version")
        except Unanswered as error:
            return str(error)
        return None if status == 200 else f"its control interface answers {status}"

    def tell(self, route: Route, *, timeout_s: float = 10.0, stop: threading.Event | None = None) -> None:
        """Hand it the route and return once requests follow it. Raises ClusterError.

        One call at a time: the route that it reports is then the one handed over last.
        """
        body = json.dumps(route.configuration()).encode()
        deadline = time.monotonic() + timeout_s
        try:
            status, answer = request(
                self._control.address, "PUT", "/api/providers/rest", body, timeout_s=timeout_s
            )
        except Unanswered as error:
            raise ClusterError(f"the balancer cannot be told its endpoints: {error}") from error
        if status != 200:
            raise ClusterError(
                f"the balancer refused its endpoints: {status} {answer.decode(errors='replace')}"
            )
        while self._current(route.deployment) != route.load_balancer():
            if stop is not None and stop.is_set():
                return
            if time.monotonic() > deadline:
                raise ClusterError(f"the balancer did not take up its endpoints within {timeout_s:.0f} s")
            time.sleep(0.01)

    def _current(self, deployment: str) -> Any:
        """The `loadBalancer` that requests follow now; Traefik swaps it together with its routers."""
        try:
            status, answer = request(self._control.address, "GET", f"/api/http/services/{deployment}@rest")
        except Unanswered:
            return None  # busy: asked again until the deadline
        return json.loads(answer).get("loadBalancer") if status == 200 else None
