"""The balancer: Traefik, told its endpoints over its REST provider."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from statefall.clusters.local.loopback import Unanswered, request
from statefall.clusters.local.ports import Port
from statefall.clusters.local.processes import Child, ExitListener, Program, Spawner
from statefall.clusters.local.routing import Route
from statefall.clusters.protocol import ClusterError
from statefall.records.contract import OPERATION_HEADER

DIAL_TIMEOUT_S = 1
"""Default: 30 s, for which a request to a vanished address would hang."""
ANSWER_TIMEOUT_S = 10
IDLE_S = 30
"""Below the replicas' own keep-alive (75 s): else a POST may meet a connection that is just closing."""
THROTTLE_MS = 50
"""Default: 2 s, for which a dead endpoint would go on being served."""


class Traefik:
    """The running balancer."""

    def __init__(self, program: Path, entry: Port, control: Port, access_log: Path | None = None) -> None:
        """`access_log`: where it writes a line a request, which says who answered which operation."""
        self.entry, self._control, self._program = entry, control, program
        self._access_log = access_log
        self._child: Child | None = None
        self._reloads = 0

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
            *self._logging(),
        )

    def _logging(self) -> tuple[str, ...]:
        if self._access_log is None:
            return ()
        fields = "--accesslog.fields"
        return (
            f"--accesslog.filepath={self._access_log}",
            "--accesslog.format=json",
            f"{fields}.defaultmode=drop",
            f"{fields}.names.ServiceAddr=keep",
            f"{fields}.headers.defaultmode=drop",
            f"{fields}.headers.names.{OPERATION_HEADER}=keep",
        )

    def stop(self, timeout_s: float = 15.0) -> None:
        """Tell it to end, and wait until it has. Raises ClusterError."""
        if self._child is None:
            return
        self._child.send(signal.SIGTERM)
        if not self._child.wait(timeout_s):
            raise ClusterError(f"the balancer did not end within {timeout_s:.0f} s")

    def await_ready(self, timeout_s: float = 15.0) -> None:
        """Wait until its control interface is there. Raises ClusterError.

        It listens before that, and answers 404 to everything until its providers have been loaded.
        """
        deadline = time.monotonic() + timeout_s
        while (problem := self._unready()) is not None:
            if self._child is None or self._child.ended or time.monotonic() > deadline:
                message = self._child.last_output() if self._child else ""
                raise ClusterError(f"the balancer did not start: {message or problem}")
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
        body = json.dumps(self._marked(route.configuration())).encode()
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
        while self._current(route.deployment) != route.load_balancer() or not self._has_reloaded():
            if stop is not None and stop.is_set():
                return
            if time.monotonic() > deadline:
                raise ClusterError(f"the balancer did not take up its endpoints within {timeout_s:.0f} s")
            time.sleep(0.01)

    def change(self) -> None:
        """Have the route that it is told next come in a configuration that it has not seen yet."""
        self._reloads += 1

    def _marked(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """What has not changed is not taken up again: a middleware that no router uses is a change."""
        if self._reloads:
            mark = {"stripPrefix": {"prefixes": [f"/{self._mark()}"]}}
            configuration["http"]["middlewares"] = {self._mark(): mark}
        return configuration

    def _mark(self) -> str:
        return f"reload-{self._reloads}"

    def _has_reloaded(self) -> bool:
        if not self._reloads:
            return True
        try:
            status, _ = request(self._control.address, "GET", f"/api/http/middlewares/{self._mark()}@rest")
        except Unanswered:
            return False
        return status == 200

    def _current(self, deployment: str) -> Any:
        """The `loadBalancer` that requests follow now; Traefik swaps it together with its routers."""
        try:
            status, answer = request(self._control.address, "GET", f"/api/http/services/{deployment}@rest")
        except Unanswered:
            return None  # busy: asked again until the deadline
        return json.loads(answer).get("loadBalancer") if status == 200 else None
