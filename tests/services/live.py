"""Users of served replicas with WebSockets: logins over HTTP, and connections that keep what they get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from services import contract
from tests.services.backing import DEADLINE_S, Valkey
from tests.services.serving import KEY, Served, serve

Serve = Callable[..., Served]


@contextmanager
def replicas(database_url: str, store: Valkey) -> Iterator[Serve]:
    """Serves replicas of the stateful twin; settings can be changed by name."""
    with ExitStack() as served:

        def start(*, pod: str = "pod-a", graceful_s: int = 30, threads: int = 4, **settings: str) -> Served:
            environ = {
                "STATEFALL_POD": pod,
                "STATEFALL_DATABASE_URL": database_url,
                "STATEFALL_STORE_URL": store.url,
                "STATEFALL_JWT_KEYS": KEY,
                "STATEFALL_ENVIRONMENT": "local",
                **{f"STATEFALL_{name}": value for name, value in settings.items()},
            }
            options = ("--threads", str(threads), "--graceful-timeout", str(graceful_s))
            return served.enter_context(serve("stateful", environ, *options))

        yield start


class Live:
    """One WebSocket of a user."""

    def __init__(self, opening: ClientConnection) -> None:
        self.connection = opening.__enter__()
        self.pending: list[dict[str, Any]] = []

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.connection.close()

    def send(self, type: str, **fields: Any) -> None:  # noqa: A002 - the protocol's own name
        """Send a message."""
        self.connection.send(json.dumps({"type": type, **fields}))

    def next(self, *types: str) -> dict[str, Any]:
        """The next message of one of these types; those of others wait for their turn."""
        for place, message in enumerate(self.pending):
            if message["type"] in types:
                return self.pending.pop(place)
        while True:
            message = json.loads(self.connection.recv(timeout=DEADLINE_S))
            if message["type"] in types:
                assert isinstance(message, dict)
                return message
            self.pending.append(message)

    def ask(self, answer: str, type: str, **fields: Any) -> dict[str, Any]:  # noqa: A002
        """Send a message and wait for its answer."""
        self.send(type, **fields)
        return self.next(answer, "error")

    def closed(self) -> tuple[int, str]:
        """Wait until it is closed by the replica; the code and reason."""
        with pytest.raises(ConnectionClosed) as end:
            self._read_on()
        received = end.value.rcvd
        assert received is not None, "it broke without being closed"
        return received.code, received.reason

    def _read_on(self) -> None:
        while True:
            self.pending.append(json.loads(self.connection.recv(timeout=DEADLINE_S)))


class User:
    """A user of a replica."""

    def __init__(self, served: Served, user_id: int) -> None:
        self.served, self.user_id, self.cookie = served, user_id, ""
        answer = self.request("POST", contract.LOGIN, {"user": f"user{user_id}", "password": "shopper"})
        self.cookie = f"{contract.SESSION_COOKIE}={answer.cookies[contract.SESSION_COOKIE]}"

    def request(
        self, method: str, path: str, body: Any = None, *, at: Served | None = None
    ) -> httpx.Response:
        """A request over a connection of its own, here or at another replica, which must answer with 200."""
        answer = httpx.request(
            method,
            f"{(at or self.served).url}{path}",
            json=body,
            headers={"Cookie": self.cookie},
            trust_env=False,
            timeout=DEADLINE_S,
        )
        assert answer.status_code == 200, answer.text
        return answer

    def connect(self, *, at: Served | None = None, **headers: str) -> Live:
        """Open a WebSocket, here or at another replica."""
        return Live(
            connect(
                f"{(at or self.served).url.replace('http', 'ws', 1)}{contract.WEBSOCKET}",
                additional_headers={"Cookie": self.cookie, **headers},
                proxy=None,
                open_timeout=DEADLINE_S,
                compression=None,
            )
        )

    def welcomed(self, *, at: Served | None = None) -> Live:
        """Open a WebSocket and read its welcome."""
        live = self.connect(at=at)
        live.next("welcome")
        return live


def figure(served: Served, name: str, **labels: str) -> float:
    """One figure of a served replica's metrics; 0 while it was never counted."""
    text = httpx.get(f"{served.url}{contract.METRICS}", trust_env=False, timeout=DEADLINE_S).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return 0.0
