"""The verdicts of the ledger, and the result that a load generator hands back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self


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


WRONG_STATE: Final = (Verdict.FOREIGN, Verdict.ROLLED_BACK, Verdict.DUPLICATED, Verdict.MISROUTED)
"""Answers that no user should see, the worst first: they fail a cell unless they are allowed by name."""


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


class RequestFailure(StrEnum):
    """How a request failed; the members are in the order in which they are shown."""

    BAD_GATEWAY = "502"
    """The balancer got no whole answer from a replica."""
    UNAVAILABLE = "503"
    """The balancer knew no replica, or the service refused for now."""
    GATEWAY_TIMEOUT = "504"
    """The balancer waited for a replica in vain."""
    SERVER_ERROR = "5xx"
    """Another answer of 500 and more."""
    TIMEOUT = "timeout"
    """No connection or no whole answer in time."""
    RESET = "reset"
    """The connection ended before the whole answer had come."""
    REFUSED = "refused"
    """Nobody took the connection."""
    BROKEN = "broken"
    """No way to the service, or an answer that is not HTTP."""

    @classmethod
    def of_status(cls, status: int) -> RequestFailure:
        """Of an answer of 500 and more."""
        known = (cls.BAD_GATEWAY, cls.UNAVAILABLE, cls.GATEWAY_TIMEOUT)
        return next((kind for kind in known if kind.value == str(status)), cls.SERVER_ERROR)


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Requests by what became of them: `scheduled = completed + failed + dropped + in_flight`."""

    scheduled: int = 0
    completed: int = 0
    """An answer below 500 came."""
    failed: int = 0
    """5xx, no answer in time, or a broken connection."""
    dropped: int = 0
    """Due, but never sent (the load was ending)."""
    in_flight: int = 0
    """Sent and unanswered when the final counts were taken."""
    failed_by: dict[RequestFailure, int] = field(default_factory=dict)
    """Of the failed ones; sums to `failed`, but for older records, which hold none."""

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Those of several processes or phases together."""
        given = list(parts)
        failed_by = {kind: sum(part.failed_by.get(kind, 0) for part in given) for kind in RequestFailure}
        return cls(
            scheduled=sum(part.scheduled for part in given),
            completed=sum(part.completed for part in given),
            failed=sum(part.failed for part in given),
            dropped=sum(part.dropped for part in given),
            in_flight=sum(part.in_flight for part in given),
            failed_by={kind: count for kind, count in failed_by.items() if count},
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """How the requests of a phase were answered, beyond whether they were."""

    degraded: int = 0
    """Answers below 500 that said themselves to be made without the session store."""
    slowest_s: float = 0.0
    """The longest that a shopper waited for an answer, a refusal, or the end of the connection."""
    refused: int = 0
    """Answers below 500 that were not what the shopper of an own journey had asked for: 4xx from a service
    that knows the session, a login that was refused, a page where JSON was due."""

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Those of several processes or phases together."""
        given = list(parts)
        return cls(
            degraded=sum(part.degraded for part in given),
            slowest_s=max((part.slowest_s for part in given), default=0.0),
            refused=sum(part.refused for part in given),
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

    def shifted(self, offset_s: float) -> SessionRecord:
        """The same on a clock that is so far ahead."""
        ended = self.ended_monotonic_s
        return replace(
            self,
            started_monotonic_s=self.started_monotonic_s + offset_s,
            ended_monotonic_s=None if ended is None else ended + offset_s,
        )


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
    """WebSockets are no requests: they are in none of the counts above."""
    answers_by_phase: dict[str, Answers] = field(default_factory=dict)

    def shifted(self, offset_s: float) -> LoadResult:
        """The same on a clock that is so far ahead."""
        return replace(self, sessions=tuple(record.shifted(offset_s) for record in self.sessions))
