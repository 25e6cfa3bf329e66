"""StatefulFaultTolerance: a session that is lost is noticed, not only stumbled upon.

Beside its state a session may hold things of this process: open WebSockets, a database connection.
When it ends (logout, expiry, a store that lost it) these are given up, and a user who still has a
WebSocket open is told over it at once. Everybody else is told on the next request (see `lookup`). A
session that another replica took over is not lost: its WebSockets stay open here, and only what the
other replica gets anew for it is given up. Where the whole replica fails, its sessions are counted as
lost by those that their users are sent to, and the balancer drops it by its readiness.
"""

from __future__ import annotations

import logging
import threading
from typing import Final, Protocol

from services.refusals import Unavailable
from services.sessions.protocol import Ended, SessionStore

WATCH_INTERVAL_S: Final = 1.0
"""How long an open WebSocket may outlive its session unnoticed."""

logger = logging.getLogger(__name__)


class Holder(Protocol):
    """Keeps something for sessions that must not outlive them."""

    def held_sessions(self) -> frozenset[str]:
        """Keys of the sessions that something is kept for."""

    def session_gone(self, key: str, ended: Ended | None) -> None:
        """The session is no more; `ended` says how it ended, where that is known."""

    def session_moved(self, key: str) -> None:
        """Another replica has taken the session over; it lives."""


class StatefulFaultTolerance:
    """Looks after every session that holders keep something for, without renewing it."""

    def __init__(self, sessions: SessionStore, interval_s: float = WATCH_INTERVAL_S) -> None:
        self._sessions, self._interval_s = sessions, interval_s
        self.holders: list[Holder] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="session-watch", daemon=True)

    def open(self) -> None:
        """Start to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop to look."""
        self._end.set()
        self._thread.join(timeout=2.0)

    def gone(self, key: str) -> None:
        """A session ended or was found missing: tell the holders now."""
        ended = self._sessions.ended(key)
        for holder in self.holders:
            holder.session_gone(key, ended)

    def look(self) -> None:
        """Look once at all held sessions. While who knows does not answer, nothing is known of any."""
        held: set[str] = set()
        for holder in self.holders:
            held |= holder.held_sessions()
        for key in held:
            try:
                gone = not self._sessions.holds(key)
            except Unavailable:
                return
            if gone:
                self.gone(key)
            elif self._sessions.moved(key):
                for holder in self.holders:
                    holder.session_moved(key)

    def _run(self) -> None:
        while not self._end.wait(self._interval_s):
            try:
                self.look()
            except Exception:
                # A holder that fails must not blind the watch for all other sessions.
                logger.exception("looking after sessions")
