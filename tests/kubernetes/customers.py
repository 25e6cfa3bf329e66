"""Customers with books of their own: they know of the service what a browser knows, and nothing else."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie

PAUSE_S = 0.3


@dataclass(slots=True)
class Visited:
    """One session of one customer: who answered when, and when it was found lost."""

    answers: list[tuple[float, str]] = field(default_factory=list)
    lost_at: float | None = None

    def home(self, at: float) -> str:
        """The pod that answered last before this moment; empty when the session was not alive then."""
        gone = self.lost_at is not None and self.lost_at < at
        before = [pod for moment, pod in self.answers if moment < at]
        return before[-1] if before and not gone else ""

    def lost_within(self, begin: float, end: float) -> bool:
        return self.lost_at is not None and begin <= self.lost_at <= end


@dataclass(slots=True)
class Customer:
    """Logs in, adds one product, looks again and again; logs in anew when told 401 or shown another cart."""

    address: str
    host: str
    sessions: list[Visited] = field(default_factory=list)
    _cookies: dict[str, str] = field(default_factory=dict)

    def live(self, ending: threading.Event) -> None:
        while not ending.wait(PAUSE_S):
            try:
                self._step()
            except (OSError, http.client.HTTPException):
                continue  # nobody answered: nothing is lost by that

    def _step(self) -> None:
        if not self.sessions or self.sessions[-1].lost_at is not None:
            self._cookies = {}
            status, pod, _ = self._ask("POST", "/login")
            if status != 200:
                return
            status, pod, _ = self._ask("POST", "/cart", {"id": 7})
            if status == 200:
                self.sessions.append(Visited([(time.monotonic(), pod)]))
            return
        status, pod, cart = self._ask("GET", "/cart")
        session = self.sessions[-1]
        if status == 401 or (status == 200 and cart != {"7": 1}):
            session.lost_at = time.monotonic()
        elif status == 200:
            session.answers.append((time.monotonic(), pod))

    def _ask(self, method: str, path: str, document: object = None) -> tuple[int, str, object]:
        connection = http.client.HTTPConnection(self.address, timeout=5.0)
        try:
            headers = {"Host": self.host, "Cookie": "; ".join(f"{k}={v}" for k, v in self._cookies.items())}
            body = None if document is None else json.dumps(document).encode()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            for line in answer.headers.get_all("Set-Cookie") or []:
                self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
            found = json.loads(text) if answer.status == 200 else None
            return answer.status, answer.headers.get("X-Pod", ""), found
        finally:
            connection.close()


@contextmanager
def customers(count: int, address: str, host: str) -> Iterator[list[Customer]]:
    """So many of them at once, until the end of the block."""
    ending = threading.Event()
    all_of_them = [Customer(address, host) for _ in range(count)]
    threads = [threading.Thread(target=each.live, args=(ending,), daemon=True) for each in all_of_them]
    for thread in threads:
        thread.start()
    try:
        yield all_of_them
    finally:
        ending.set()
        for thread in threads:
            thread.join()
