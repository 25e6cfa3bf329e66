"""What the load generator tells while it runs: its figures, and what its ledger found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from statefall.records.events.base import InCell, Replica, ServiceTimes, ShopperFinding
from statefall.records.verdicts import ConnectionVerdict, MessageVerdict, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLost(InCell):
    """The load generator ended before its cell did, which has no books therefore."""

    kind: ClassVar[str] = "load_lost"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick(InCell):
    """One interval of the load; counts are of the interval, `in_flight` and `live_sessions` as it ended."""

    kind: ClassVar[str] = "tick"
    phase: str
    interval_s: float
    scheduled: int
    completed: int
    failed: int
    dropped: int
    in_flight: int
    logins: int
    live_sessions: int
    lost_so_far: int
    service_ms: ServiceTimes
    cpu_pressure: float | None = None
    """Share of the interval in which some process of the load's machine waited for a processor, 0 to 1; null
    where nobody tells. Of several machines the busiest one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(InCell):
    """A login that was answered."""

    kind: ClassVar[str] = "session_started"
    session: str
    shopper: int
    user_id: int
    pod: str
    boot: str

    @property
    def home(self) -> Replica:
        """The replica that answered."""
        return Replica(self.pod, self.boot)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLost(ShopperFinding):
    """A finding of the ledger against a session: any verdict but kept and indeterminate."""

    kind: ClassVar[str] = "session_lost"
    session: str
    verdict: Verdict
    answered_by: tuple[Replica, ...]
    acknowledged_version: int
    seen_version: int | None
    idle_s: float | None = None
    """Since an answer had last shown the session as it should be; null in a record of before it was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLost(ShopperFinding):
    """A WebSocket that its shopper did not close; its session may be over already."""

    kind: ClassVar[str] = "connection_lost"
    session: str | None
    connection: str
    verdict: ConnectionVerdict
    code: int | None
    """The close code, where one was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLost(ShopperFinding):
    """Messages `first` to `last` of a stream that were not delivered as promised."""

    kind: ClassVar[str] = "message_lost"
    session: str | None
    connection: str
    verdict: MessageVerdict
    channel: str
    stream: str
    first: int
    last: int
