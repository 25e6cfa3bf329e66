"""The channel between the conductor and the load generator: JSON over HTTP, polled.

It is HTTP so that the same calls work on loopback, through a port-forward and through a
Kubernetes API server's proxy. Paths are relative to the control URL:

| call                        | body             | answer                                              |
|-----------------------------|------------------|-----------------------------------------------------|
| GET  statefall/live         |                  | {}                                                  |
| GET  statefall/ready        |                  | {"ready": bool, "workers": int, "monotonic_s", "wall_s"} |
| POST statefall/start        |                  | {"monotonic_s", "wall_s"}: shoppers begin to arrive |
| POST statefall/phase        | {"phase": str}   | {}                                                  |
| POST statefall/mark         | {"fault": str}   | {"live_sessions": int, "by_boot": {"pod/boot": int}}|
| GET  statefall/events?after=N |                | {"events": [...], "next": int}                      |
| GET  statefall/history?after=N |               | {"lines": [...], "next": N}; earlier lines are gone |
| POST statefall/audit        |                  | {} when every live session was read once more       |
| POST statefall/finish       |                  | a LoadResult; shoppers have stopped                 |

The first mark fixes which sessions are alive at the fault. `ready` has status 503 until all workers are
there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

import httpx

from statefall.codec import Codec
from statefall.ledger.history.writing import shifted
from statefall.load.messages import EVENTS_AFTER, HISTORY_AFTER, INSTANT, MARKED, READINESS, RESULT, Mark
from statefall.records.clock import Instant
from statefall.records.errors import InputError, RunInvalid
from statefall.records.events import Event
from statefall.records.verdicts import LoadResult

T = TypeVar("T")

LIVE, READY, START, PHASE, MARK, EVENTS, HISTORY, AUDIT, FINISH = (
    f"statefall/{name}"
    for name in ("live", "ready", "start", "phase", "mark", "events", "history", "audit", "finish")
)


MISSED_POLLS: Final = 2
"""So many polls in a row may fail: a port-forward or a proxy that broke is there again at the next one."""


class LoadGeneratorError(RunInvalid):
    """The load generator did not answer or answered nonsense: its fault, never the service's."""


class LoadControl(Protocol):
    """What a cell asks of its load generator. Raises LoadGeneratorError from every call that fails."""

    def close(self) -> None:
        """Drop the connection; the generator goes on."""

    def wait_ready(self, timeout_s: float = 30.0) -> int:
        """Wait for all workers; returns how many there are."""

    def start(self) -> Instant:
        """Let the shoppers arrive; returns when they began, on the conductor's clock."""

    def phase(self, phase: str) -> None:
        """All that is recorded from now on belongs to this phase."""

    def mark(self, fault: str) -> Mark:
        """Fix the sessions that are alive now, just before a fault."""

    def events(self) -> list[Event]:
        """The generator's events since the last call, on the conductor's clock."""

    def history(self) -> tuple[str, ...]:
        """The lines of the history since the last call, moments on the conductor's clock."""

    def audit(self, timeout_s: float = 30.0) -> None:
        """Have every live session read once more, so that each gets a verdict."""

    def finish(self, timeout_s: float = 30.0) -> LoadResult:
        """Stop the shoppers and fetch what was recorded."""


@dataclass(slots=True)
class LoadChannel:
    """The conductor's end. Raises LoadGeneratorError from every call that fails."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    verify: Any = True
    _client: httpx.Client = field(init=False, repr=False)
    _next: int = field(default=0, init=False)
    _offset_s: float = field(default=0.0, init=False)
    _missed: int = field(default=0, init=False)
    _next_line: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            base_url=self.url.rstrip("/") + "/", headers=self.headers, verify=self.verify, trust_env=False
        )

    def close(self) -> None:
        """Drop the connection; the generator goes on."""
        self._client.close()

    def wait_ready(self, timeout_s: float = 30.0) -> int:
        """Wait for all workers and learn the offset of the generator's clock; returns how many workers."""
        deadline = time.monotonic() + timeout_s
        while True:
            before = time.monotonic()
            try:
                answer = self._ask(READINESS, "GET", READY, timeout_s=2.0)
            except LoadGeneratorError:
                answer = None
            after = time.monotonic()
            if answer is not None and answer.ready:
                offset = (before + after) / 2 - answer.monotonic_s
                # On one machine both read the same clock: what is left then is the exchange itself.
                self._offset_s = 0.0 if abs(offset) <= after - before else offset
                return answer.workers
            if after > deadline:
                raise LoadGeneratorError(f"it was not ready at {self.url} within {timeout_s:.0f} s")
            time.sleep(0.05)

    def start(self) -> Instant:
        """Let the shoppers arrive; returns when they began."""
        return self._ask(INSTANT, "POST", START).shifted(self._offset_s)

    def phase(self, phase: str) -> None:
        """All that is recorded from now on belongs to this phase."""
        self._call("POST", PHASE, {"phase": phase})

    def mark(self, fault: str) -> Mark:
        """Fix the sessions that are alive now, just before a fault."""
        return self._ask(MARKED, "POST", MARK, {"fault": fault})

    def events(self) -> list[Event]:
        """The generator's events since the last call, on the conductor's clock; none where a poll failed.

        Raises LoadGeneratorError after more than MISSED_POLLS failures in a row: what one did not bring the
        next one does.
        """
        try:
            answer = self._ask(EVENTS_AFTER, "GET", f"{EVENTS}?after={self._next}")
        except LoadGeneratorError:
            self._missed += 1
            if self._missed > MISSED_POLLS:
                raise
            return []
        self._next, self._missed = answer.next, 0
        return [event.shifted(self._offset_s) for event in answer.events]

    def history(self) -> tuple[str, ...]:
        """The lines of the history since the last call, moments on the conductor's clock."""
        answer = self._ask(HISTORY_AFTER, "GET", f"{HISTORY}?after={self._next_line}")
        self._next_line = answer.next
        return tuple(shifted(line, self._offset_s) for line in answer.lines)

    def audit(self, timeout_s: float = 30.0) -> None:
        """Have every live session read once more, so that each gets a verdict."""
        self._call("POST", AUDIT, timeout_s=timeout_s)

    def finish(self, timeout_s: float = 30.0) -> LoadResult:
        """Stop the shoppers and fetch what was recorded."""
        return self._ask(RESULT, "POST", FINISH, timeout_s=timeout_s).shifted(self._offset_s)

    def _ask(
        self,
        codec: Codec[T],
        method: str,
        path: str,
        body: dict[str, str] | None = None,
        *,
        timeout_s: float = 10.0,
    ) -> T:
        document = self._call(method, path, body, timeout_s=timeout_s)
        try:
            return codec.decode(document, where=f"its answer to {path}")
        except InputError as error:
            raise LoadGeneratorError(f"it answered nonsense: {error.where}: {error.what}") from error

    def _call(
        self, method: str, path: str, body: dict[str, str] | None = None, *, timeout_s: float = 10.0
    ) -> bytes:
        try:
            response = self._client.request(method, path, json=body, timeout=timeout_s)
            response.raise_for_status()
            return response.content
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise LoadGeneratorError(f"it did not answer {method} {path}: {reason}") from error
