"""A whole service of the contract in memory, in this process: what the shoppers meet in these tests.

It is honest unless a test tells it otherwise, and it counts every request that reaches it.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from services import contract
from services.contract import ErrorCode, SessionStatus

Document = dict[str, Any]


class HangUp(Exception):
    """Close the connection without an answer."""


@dataclass(slots=True)
class State:
    """What one session holds."""

    user_id: int
    preferences: dict[str, str]
    version: int = 0
    cart: dict[str, int] = field(default_factory=dict)
    activity: list[str] = field(default_factory=list)

    def token(self) -> str:
        fields = [self.user_id, self.preferences, self.version, self.activity]
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()

    @classmethod
    def from_token(cls, token: str) -> State:
        user_id, preferences, version, activity = json.loads(base64.urlsafe_b64decode(token))
        return cls(user_id, preferences, version, activity=activity)


class Shop:
    """Sessions in memory, or with the client where `client_held`."""

    def __init__(self, *, client_held: bool = False) -> None:
        self.client_held = client_held
        self.boot = "boot-1"
        self.sessions: dict[str, State] = {}
        self.preferences: dict[int, dict[str, str]] = {}
        self.operations: Counter[str] = Counter()
        self.told_lost: set[str] = set()
        self.before: Callable[[str, str], None] = lambda method, path: None
        """Called before a request is handled; may raise HangUp."""
        self.after: Callable[[str, str], None] = lambda method, path: None
        """Called when it was applied and is not answered yet; may raise HangUp."""
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def forget(self) -> None:
        """As after a restart: all sessions in memory are gone."""
        with self._lock:
            self.sessions.clear()
            self.boot = f"boot-{int(self.boot.split('-')[1]) + 1}"

    def handle(
        self, method: str, path: str, headers: Any, body: bytes
    ) -> tuple[int, list[tuple[str, str]], Document]:
        """Answer one request."""
        with self._lock:
            self.operations[headers.get(contract.OPERATION_HEADER, "")] += 1
        self.before(method, path)
        with self._lock:
            answer = self._route(method, path.split("?")[0], headers, json.loads(body or b"{}"))
        self.after(method, path)
        return answer

    def _route(
        self, method: str, path: str, headers: Any, document: Document
    ) -> tuple[int, list[tuple[str, str]], Document]:
        own = [(contract.POD_HEADER, "pod-a"), (contract.BOOT_HEADER, self.boot)]
        if path == contract.LOGIN:
            return self._log_in(document, own)
        if path.startswith(contract.PRODUCTS):
            return 200, own, {"products": []}
        session_id, state = self._find(headers, document)
        if state is None:
            self.told_lost.add(session_id)
            lost = [*own, (contract.SESSION_HEADER, SessionStatus.LOST.value)]
            return 401, lost, {"error": {"code": ErrorCode.SESSION_LOST.value, "message": "log in"}}
        fields = self._apply(state, path, document)
        headers_out = [
            *own,
            (contract.SESSION_HEADER, SessionStatus.KNOWN.value),
            (contract.VERSION_HEADER, str(state.version)),
        ]
        if self.client_held:
            fields["token"] = state.token()
        return 200, headers_out, {"user_id": state.user_id, "version": state.version, **fields}

    def _log_in(
        self, document: Document, own: list[tuple[str, str]]
    ) -> tuple[int, list[tuple[str, str]], Document]:
        user_id = int(document["user"].removeprefix("user"))
        state = State(user_id, dict(self.preferences.setdefault(user_id, {"theme": "plain"})))
        answer = {"user_id": user_id, "version": 0, "preferences": dict(state.preferences)}
        headers = [*own, (contract.SESSION_HEADER, SessionStatus.NEW.value)]
        if self.client_held:
            return 200, headers, {**answer, "token": state.token()}
        session_id = f"s{next(self._ids)}"
        self.sessions[session_id] = state
        cookie = f"{contract.SESSION_COOKIE}={session_id}; Path=/; HttpOnly; SameSite=Lax"
        return 200, [*headers, ("Set-Cookie", cookie)], answer

    def _find(self, headers: Any, document: Document) -> tuple[str, State | None]:
        if self.client_held:
            token = headers.get("Authorization", "").removeprefix("Bearer ")
            state = State.from_token(token)
            lines = (document.get("cart") or {"lines": []})["lines"]
            state.cart = {str(line["product_id"]): line["quantity"] for line in lines}
            return token, state
        cookie = SimpleCookie(headers.get("Cookie", "")).get(contract.SESSION_COOKIE)
        session_id = cookie.value if cookie else ""
        return session_id, self.sessions.get(session_id)

    def _apply(self, state: State, path: str, document: Document) -> Document:
        if path == contract.CART_ITEMS:
            product = str(document["product_id"])
            state.cart[product] = state.cart.get(product, 0) + document["quantity"]
            state.version += 1
            return self._cart(state)
        if path == contract.CART_TOTAL:
            return self._cart(state)
        if path == contract.PREFERENCES:
            state.preferences.update(document["preferences"])
            self.preferences[state.user_id].update(document["preferences"])
            state.version += 1
            return {"preferences": dict(state.preferences)}
        if path == contract.ACTIVITY:
            state.activity = [*state.activity, document["action"]][-contract.ACTIVITY_WINDOW :]
            state.version += 1
            return {"recent_activity": list(state.activity)}
        return {"recent_activity": list(state.activity), "preferences": dict(state.preferences)}

    def _cart(self, state: State) -> Document:
        lines = [{"product_id": int(p), "quantity": quantity} for p, quantity in state.cart.items()]
        return {"lines": lines, **({"cart": {"lines": lines}} if self.client_held else {})}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shop: Shop

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, headers, document = self.shop.handle(self.command, self.path, self.headers, body)
        except HangUp:
            self.close_connection = True
            return
        answer = json.dumps(document).encode()
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(answer)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = _handle  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True  # the client went away, as some of these tests have it do


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def serve(shop: Shop) -> Iterator[str]:
    """The shop on a free loopback port; yields its URL."""
    handler = type("Handler", (_Handler,), {"shop": shop})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
