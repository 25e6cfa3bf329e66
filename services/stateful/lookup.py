"""From a request's cookie to its session, or to a plain word about why there is none."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from services.metrics import Metrics
from services.refusals import SessionExpired, SessionLost, Unauthenticated
from services.sessions.protocol import Change, Ended, SessionStore
from services.sessions.session import Session
from services.sessions.tickets import Forged, Ticket, Tickets
from services.stateful.degraded import DegradedSessions
from services.store import StoreUnavailable


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
    ) -> None:
        """`degraded`: for a design whose sessions are in the store, what to answer while it is away."""
        self._sessions, self._tickets, self._metrics = sessions, tickets, metrics
        self._degraded = degraded
        self.on_gone: list[Callable[[str], None]] = []
        """Called with the key of a session that ended here or was found missing."""

    def load(self, cookie: str | None) -> Session:
        """The session, or a degraded one while the store is away.

        Raises Unauthenticated, SessionLost or SessionExpired; never makes one up.
        """
        try:
            return self._find(cookie, self._sessions.load)
        except StoreUnavailable:
            if self._degraded is None or cookie is None:
                raise
            return self._degraded.rebuild(self._tickets.read(cookie))

    def update(self, cookie: str | None, change: Change) -> Session:
        """The session after one more write. Raises as `load`, and Unavailable while the store is away."""
        return self._find(cookie, lambda key: self._sessions.update(key, change))

    def end(self, cookie: str | None) -> None:
        """End the session of this cookie, if there is one."""
        if cookie:
            try:
                key = self._tickets.read(cookie).key
            except Forged:
                self._metrics.forged.inc()
                return
            self._sessions.delete(key)
            self._tell_gone(key)

    def _find(self, cookie: str | None, find: Callable[[str], Session | None]) -> Session:
        if not cookie:
            raise Unauthenticated("log in first")
        try:
            ticket = self._tickets.read(cookie)
        except Forged:
            self._metrics.forged.inc()
            raise Unauthenticated("this session cookie is not ours") from None
        session = find(ticket.key)
        if session is None:
            self._tell_gone(ticket.key)
            raise self._gone(ticket)
        return session

    def _tell_gone(self, key: str) -> None:
        for tell in self.on_gone:
            tell(key)

    def _gone(self, ticket: Ticket) -> Exception:
        ended = self._sessions.ended(ticket.key)
        if ended is Ended.LOGGED_OUT:
            return Unauthenticated("this session was logged out")
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
