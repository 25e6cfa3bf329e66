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
| POST statefall/audit        |                  | {} when every live session was read once more       |
| POST statefall/finish       |                  | a LoadResult; shoppers have stopped                 |

The first mark fixes which sessions are alive at the fault. `ready` has status 503 until all workers are
there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final, cast

import httpx

from foundation.clock import Instant
from foundation.errors import RunInvalid
from foundation.events import Event
from foundation.verdicts import Answers, LoadResult, RealtimeCounts, RequestCounts, SessionRecord, Verdict

LIVE, READY, START, PHASE, MARK, EVENTS, AUDIT, FINISH = (
    f"statefall/{name}" for name in ("live", "ready", "start", "phase", "mark", "events", "audit", "finish")
)


MISSED_POLLS: Final = 2
"""So many polls in a row may fail: a port-forward or a proxy that broke is there again at the next one."""


class LoadGeneratorError(RunInvalid):
    """The load generator did not answer or answered nonsense: its fault, never the service's."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The ledger at a fault."""

    live_sessions: int
    by_boot: dict[str, int]


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
                answer = self._call("GET", READY, timeout_s=2.0)
            except LoadGeneratorError:
                answer = {"ready": False}
            after = time.monotonic()
            if answer["ready"]:
                offset = (before + after) / 2 - float(answer["monotonic_s"])
                # On one machine both read the same clock: what is left then is the exchange itself.
                self._offset_s = 0.0 if abs(offset) <= after - before else offset
                return int(answer["workers"])
            if after > deadline:
                raise LoadGeneratorError(f"it was not ready at {self.url} within {timeout_s:.0f} s")
            time.sleep(0.05)

    def start(self) -> Instant:
        """Let the shoppers arrive; returns when they began."""
        answer = self._call("POST", START)
        return Instant(float(answer["monotonic_s"]) + self._offset_s, float(answer["wall_s"]))

    def phase(self, phase: str) -> None:
        """All that is recorded from now on belongs to this phase."""
        self._call("POST", PHASE, {"phase": phase})

    def mark(self, fault: str) -> Mark:
        """Fix the sessions that are alive now, just before a fault."""
        answer = self._call("POST", MARK, {"fault": fault})
        return Mark(int(answer["live_sessions"]), dict(answer["by_boot"]))

    def events(self) -> list[Event]:
        """The generator's events since the last call, on the conductor's clock; none where a poll failed.

        Raises LoadGeneratorError after more than MISSED_POLLS failures in a row: what one did not bring the
        next one does.
        """
        try:
            answer = self._call("GET", f"{EVENTS}?after={self._next}")
        except LoadGeneratorError:
            self._missed += 1
            if self._missed > MISSED_POLLS:
                raise
            return []
        self._next, self._missed = int(answer["next"]), 0
        found = cast("list[Event]", answer["events"])
        for record in found:
            record["monotonic_s"] += self._offset_s
            if "home" in record:
                record["home"]["since_s"] += self._offset_s
        return found

    def audit(self, timeout_s: float = 30.0) -> None:
        """Have every live session read once more, so that each gets a verdict."""
        self._call("POST", AUDIT, timeout_s=timeout_s)

    def finish(self, timeout_s: float = 30.0) -> LoadResult:
        """Stop the shoppers and fetch what was recorded."""
        return load_result(self._call("POST", FINISH, timeout_s=timeout_s), self._offset_s)

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float = 10.0
    ) -> dict[str, Any]:
        try:
            response = self._client.request(method, path, json=body, timeout=timeout_s)
            response.raise_for_status()
            return cast("dict[str, Any]", response.json())
        except (httpx.HTTPError, ValueError) as error:
            words = str(error) or type(error).__name__
            raise LoadGeneratorError(f"it did not answer {method} {path}: {words}") from error


def load_result(document: dict[str, Any], offset_s: float = 0.0) -> LoadResult:
    """Read a LoadResult back from its JSON form (`dataclasses.asdict` of one).

    `offset_s` is added to its moments, to have them on the reader's clock.
    """
    return LoadResult(
        requests=RequestCounts(**document["requests"]),
        requests_by_phase={p: RequestCounts(**c) for p, c in document["requests_by_phase"].items()},
        operations=document["operations"],
        sessions=tuple(_session(record, offset_s) for record in document["sessions"]),
        told_lost=document["told_lost"],
        histograms=document["histograms"],
        generator_faults=tuple(document["generator_faults"]),
        realtime=RealtimeCounts(**document.get("realtime", {})),
        answers_by_phase={p: Answers(**a) for p, a in document.get("answers_by_phase", {}).items()},
    )


def _session(record: dict[str, Any], offset_s: float) -> SessionRecord:
    ended = record["ended_monotonic_s"]
    return SessionRecord(
        **{
            **record,
            "started_monotonic_s": record["started_monotonic_s"] + offset_s,
            "ended_monotonic_s": None if ended is None else ended + offset_s,
            "verdict": Verdict(record["verdict"]),
        }
    )
