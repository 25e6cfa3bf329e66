"""The verdicts of the ledger, and the result that a load generator hands back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self


class Verdict(StrEnum):
    """What became of a session between the fault and the end of the cell."""

    KEPT = "kept"
    """The last read showed every acknowledged write, once."""
    LOST = "lost"
    """Unknown to the service, or silently new."""
    ROLLED_BACK = "rolled_back"
    """Older than an acknowledged write."""
    DUPLICATED = "duplicated"
    """An operation applied twice."""
    FOREIGN = "foreign"
    """Another user's state was answered."""
    MISROUTED = "misrouted"
    """Unknown where a request went, later found intact."""
    INDETERMINATE = "indeterminate"
    """No read since the fault decides it."""


class ConnectionVerdict(StrEnum):
    """What became of a WebSocket."""

    KEPT = "kept"
    """Open until its shopper closed it."""
    TOLD = "told"
    """The service closed it and said why, by a close code."""
    BROKEN = "broken"
    """It was cut without a word, or fell silent."""


class MessageVerdict(StrEnum):
    """What became of a message that somebody published in a channel, as one subscriber saw it."""

    DELIVERED = "delivered"
    LOST = "lost"
    """An open connection never got it: the numbers have a hole, or its publisher was told it went out."""
    MISSED = "missed"
    """Published while the shopper had no connection, and not among the recent ones on return."""
    DUPLICATED = "duplicated"
    """A connection got it twice."""
    FORGOTTEN = "forgotten"
    """The connection's own chat: the service remembers less than was said on it."""


@dataclass(frozen=True, slots=True)
class RealtimeCounts:
    """WebSockets and messages: `connections_opened` is the sum of kept, told and broken."""

    connections_opened: int = 0
    connections_refused: int = 0
    """Opening handshakes that were not answered with a WebSocket."""
    connections_kept: int = 0
    connections_told: int = 0
    connections_broken: int = 0
    published: int = 0
    """Messages whose publication was acknowledged."""
    delivered: int = 0
    """Deliveries: of each message to each connection that got it, for the first time."""
    lost: int = 0
    missed: int = 0
    duplicated: int = 0
    chats: int = 0
    """Answered chat messages."""
    forgotten: int = 0
    told_lost: int = 0
    """Connections over which the service told that the session is gone."""


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """The books of the requests: `scheduled = completed + failed + dropped + in_flight`."""

    scheduled: int = 0
    completed: int = 0
    """An answer below 500 came."""
    failed: int = 0
    """5xx, no answer in time, or a broken connection."""
    dropped: int = 0
    """Due, but never sent (the load was ending)."""
    in_flight: int = 0
    """Sent and unanswered when the books were closed."""


@dataclass(frozen=True, slots=True)
class Answers:
    """How the requests of a phase were answered, beyond whether they were."""

    degraded: int = 0
    """Answers below 500 that said themselves to be made without the session store."""
    slowest_s: float = 0.0
    """The longest that a shopper waited for an answer, a refusal, or the end of the connection."""

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Those of several processes or phases together."""
        given = list(parts)
        return cls(
            degraded=sum(part.degraded for part in given),
            slowest_s=max((part.slowest_s for part in given), default=0.0),
        )


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session of one shopper, from login to the end of the cell."""

    session: str
    """`<shopper>.<n>`: the n-th session of the shopper, from 1."""
    user_id: int
    started_monotonic_s: float
    ended_monotonic_s: float | None
    """When it was lost; null while it lives."""
    pod: str
    boot: str
    """Home: the replica that answered last before the mark (or last of all, without a mark)."""
    live_at_mark: bool
    verdict: Verdict
    acknowledged_version: int


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What the ledger and the recorders of all load processes hold at the end of a cell."""

    requests: RequestCounts
    requests_by_phase: dict[str, RequestCounts]
    operations: int
    """Distinct operation ids that went over the wire; equals what the services counted when nothing
    between client and service repeats a request."""
    sessions: tuple[SessionRecord, ...]
    told_lost: dict[str, dict[str, int]]
    """`{"pod/boot": {cause: sessions}}`: distinct sessions that this replica answered as lost or expired."""
    histograms: dict[str, str]
    """Phase -> service time of completed requests, an encoded HdrHistogram: 1 us to 60 s, 3 digits."""
    generator_faults: tuple[str, ...]
    """What went wrong with the load itself (a worker that was lost): never the service's fault."""
    realtime: RealtimeCounts = RealtimeCounts()
    """WebSockets are no requests: they are in none of the books above."""
    answers_by_phase: dict[str, Answers] = field(default_factory=dict)
