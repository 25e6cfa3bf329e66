"""Replicas as processes, and a user's browser that can be sent to any of them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from services import contract
from services.settings import SessionDesign
from tests.services.backing import DEADLINE_S, wait_until
from tests.services.serving import KEY, Served, serve

Start = Callable[..., Served]


@contextmanager
def replicas(design: SessionDesign, database_url: str, store_url: str, **common: str) -> Iterator[Start]:
    """Serves replicas of the stateful twin in a state design; settings can be changed by name."""
    with ExitStack() as served:

        def start(pod: str, **settings: str) -> Served:
            settings = {"THREADS": "8", **common, **settings}
            environ = {
                "STATEFALL_POD": pod,
                "STATEFALL_STATE": design.value,
                "STATEFALL_DATABASE_URL": database_url,
                "STATEFALL_STORE_URL": store_url,
                "STATEFALL_JWT_KEYS": KEY,
                "STATEFALL_STATE_KEYS": KEY,
                "STATEFALL_ENVIRONMENT": "local",
                **{f"STATEFALL_{name}": value for name, value in settings.items()},
            }
            options = ("--threads", settings["THREADS"], "--graceful-timeout", "30")
            return served.enter_context(serve("stateful", environ, *options))

        yield start


def kill(served: Served) -> None:
    """SIGKILL to the whole pod."""
    os.killpg(served.master.pid, signal.SIGKILL)
    served.master.wait(DEADLINE_S)


def terminate(served: Served) -> None:
    """SIGTERM, and wait for the orderly end."""
    served.master.terminate()
    assert served.master.wait(DEADLINE_S) == 0


def figure(served: Served, name: str) -> float:
    """A sample of a replica's metrics, by its name with its labels as they are written there; else 0."""
    status, _, text = _exchange(served, "GET", contract.METRICS, None, {})
    assert status == 200
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return next((float(value) for label, _, value in lines if label == name), 0.0)


def wait_for_peers(*served: Served) -> None:
    """The replicas of the design `replicated` all know each other."""
    wait_until(
        lambda: all(figure(each, "statefall_peers") >= len(served) - 1 for each in served),
        "the peers know each other",
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]
    took_s: float

    @property
    def session(self) -> str | None:
        """What the service says of the session."""
        return self.headers.get(contract.SESSION_HEADER.lower())

    @property
    def code(self) -> str:
        """The error code of a refusal."""
        return str(self.body["error"]["code"])


@dataclass(slots=True)
class Browser:
    """One user's session cookie, kept as a browser keeps it. Each request has a connection of its own."""

    user_id: int
    cookie: str | None = field(default=None)
    version: int = 0
    """The highest that was acknowledged."""

    def login(self, served: Served) -> Answer:
        """Begin a session there."""
        answer = self.send(
            served, "POST", contract.LOGIN, {"user": f"user{self.user_id}", "password": "shopper"}
        )
        assert answer.status in (200, 503), answer
        self.version = 0
        return answer

    def act(self, served: Served, action: str = "acted") -> Answer:
        """A write."""
        answer = self.send(served, "POST", contract.ACTIVITY, {"action": action})
        if answer.status == 200:
            self.version = max(self.version, answer.body["version"])
        return answer

    def profile(self, served: Served) -> Answer:
        """A read."""
        return self.send(served, "GET", contract.PROFILE)

    def send(self, served: Served, method: str, path: str, body: Any = None, operation: str = "") -> Answer:
        """Send one request, once; `operation`: its id, where it has one."""
        headers = {"Cookie": f"{contract.SESSION_COOKIE}={self.cookie}"} if self.cookie else {}
        if operation:
            headers[contract.OPERATION_HEADER] = operation
        begin = time.monotonic()
        status, received, text = _exchange(served, method, path, body, headers)
        took_s = time.monotonic() - begin
        if "set-cookie" in received:
            morsel = SimpleCookie(received["set-cookie"])[contract.SESSION_COOKIE]
            self.cookie = morsel.value or None
        return Answer(status, received, json.loads(text), took_s)


def _exchange(
    served: Served, method: str, path: str, body: Any, headers: dict[str, str]
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=DEADLINE_S)
    try:
        content = None if body is None else json.dumps(body)
        if content is not None:
            headers = {**headers, "Content-Type": "application/json"}
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        text = response.read().decode()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, text
    finally:
        connection.close()
