"""From a request's cookie to its session, or to a plain word about why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from services.metrics import Metrics, RecentlySeen
from services.refusals import SessionExpired, SessionLost, Unauthenticated, Unavailable
from services.sessions.protocol import Change, Ended, SessionStore
from services.sessions.session import Session
from services.sessions.tickets import Forged, Ticket, Tickets
from services.sessions.writes import Repeated, as_answered, operation_digest, remembering
from services.stateful.degraded import DegradedSessions
from services.store import StoreBusy, StoreUnavailable

REPEAT_TRIES: Final = 3
"""How often a repeated write is looked for; more than once only where the store has gone back meanwhile."""
REMEMBERED_LOGOUTS: Final = 65_536
"""How many logouts on this replica are remembered for the case that the store goes away."""


class Cause(StrEnum):
    """Why a session that its user believes in is not here."""

    RESTARTED = "restarted"
    """It was begun by an earlier boot of this pod."""
    ELSEWHERE = "elsewhere"
    """It was begun by another pod, which may live or not."""
    EXPIRED = "expired"
    """It was begun here and not used for too long."""
    UNKNOWN = "unknown"
    """It was begun here, by this boot, and there is no trace of its end."""


class Lookup:
    """Finds sessions by cookie, and tells and counts the ones that are lost."""

    def __init__(
        self,
        sessions: SessionStore,
        tickets: Tickets,
        metrics: Metrics,
        degraded: DegradedSessions | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`degraded`: for a design whose sessions are in the store, what to answer while it is away."""
        self._sessions, self._tickets, self._metrics = sessions, tickets, metrics
        self._degraded, self._now = degraded, now
        metrics.may_lose_by(Cause)
        self._logged_out = RecentlySeen(REMEMBERED_LOGOUTS)
        self.on_renewed: list[Callable[[str], None]] = []
        """Called with the new cookie of a session that this replica took over from another."""
        self.on_gone: list[Callable[[str], None]] = []
        """Called with the key of a session that ended here or was found missing."""

    def load(self, cookie: str | None) -> Session:
        """The session, or a degraded one while the store is away.

        Raises Unauthenticated, SessionLost or SessionExpired; never makes one up.
        """
        ticket = self._read(cookie)
        try:
            return self._found(ticket, self._sessions.load(ticket.key, ticket.epoch))
        except StoreBusy:  # the store may be well, and a degraded answer would hide what it has
            raise
        except StoreUnavailable:
            if self._degraded is None:
                raise
            if ticket.key in self._logged_out:  # other replicas cannot know it without the store
                raise _logged_out() from None
            return self._degraded.rebuild(ticket)

    def update(self, cookie: str | None, change: Change, operation: str = "") -> Session:
        """The session after one more write; its last write is that one.

        An operation that was applied before is not applied again: the session is as it was just after it.
        Raises as `load`, and Unavailable while the store is away.
        """
        ticket = self._read(cookie)
        digest = operation_digest(operation) if operation else ""
        once = remembering(change, digest, self._now())
        for _ in range(REPEAT_TRIES):
            try:
                return self._found(ticket, self._sessions.update(ticket.key, once, ticket.epoch))
            except Repeated:  # said by a copy, perhaps: only what `load` finds is the newest
                newest = self._found(ticket, self._sessions.load(ticket.key, ticket.epoch))
                answered = as_answered(newest, digest)
                if answered is not None:
                    self._metrics.repeated_writes.inc()
                    return answered
        raise Unavailable("this session keeps going back; ask again")

    def answered(self, cookie: str | None, operation: str) -> tuple[Session, bool]:
        """As `load`; where the operation was applied before, the session as it was just after, and True."""
        session = self.load(cookie)
        known = as_answered(session, operation_digest(operation)) if operation else None
        if known is None:
            return session, False
        self._metrics.repeated_writes.inc()
        return known, True

    def end(self, cookie: str | None) -> None:
        """End the session of this cookie, if there is one."""
        if cookie:
            try:
                key = self._tickets.read(cookie).key
            except Forged:
                self._metrics.forged.inc()
                return
            self._sessions.delete(key)
            self._logged_out.add(key)
            self._tell_gone(key)

    def _read(self, cookie: str | None) -> Ticket:
        if not cookie:
            raise Unauthenticated("log in first")
        try:
            return self._tickets.read(cookie)
        except Forged:
            self._metrics.forged.inc()
            raise Unauthenticated("this session cookie is not ours") from None

    def _found(self, ticket: Ticket, session: Session | None) -> Session:
        if session is None:
            self._tell_gone(ticket.key)
            raise self._gone(ticket)
        if session.epoch > ticket.epoch:
            cookie = self._tickets.renewed(ticket, session.epoch)
            for tell in self.on_renewed:
                tell(cookie)
        return session

    def _tell_gone(self, key: str) -> None:
        for tell in self.on_gone:
            tell(key)

    def _gone(self, ticket: Ticket) -> Exception:
        ended = self._sessions.ended(ticket.key)
        if ended is Ended.LOGGED_OUT:
            return _logged_out()
        if ended is Ended.EXPIRED:
            self._metrics.lost(ticket.key, Cause.EXPIRED)
            return SessionExpired("this session was not used for too long")
        if ticket.pod_tag != self._tickets.pod_tag:
            cause = Cause.ELSEWHERE
        elif ticket.boot_tag != self._tickets.boot_tag:
            cause = Cause.RESTARTED
        else:
            cause = Cause.UNKNOWN
        self._metrics.lost(ticket.key, cause)
        return SessionLost("session lost: this replica does not know it")


def _logged_out() -> Unauthenticated:
    return Unauthenticated("this session was logged out")
