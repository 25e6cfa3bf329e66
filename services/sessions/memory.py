"""State design `memory`: sessions live in this process and die with it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Final

from services.sessions.protocol import Change, Ended
from services.sessions.session import Kept, Session

REMEMBERED_ENDS: Final = 100_000
"""How many ended sessions are remembered, to tell their users why."""


class MemorySessions:
    """Fulfils `SessionStore`, where its methods are described.

    One lock guards all sessions: changes are pure and take microseconds. Every session has the same
    time to live, so the order of last use is the order of expiry and the oldest is always in front.
    """

    def __init__(self, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s, self._clock = ttl_s, clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, tuple[float, Session]] = OrderedDict()
        self._ends: OrderedDict[str, Ended] = OrderedDict()

    def open(self) -> None:
        """Nothing to open."""

    def create(self, session: Session) -> None:
        with self._lock:
            self._keep(session)

    def load(self, key: str, epoch: int = 0) -> Session | None:
        with self._lock:
            session = self._find(key, epoch)
            if session is not None:
                self._keep(session)
            return session

    def update(self, key: str, change: Change, epoch: int = 0) -> Session | None:
        with self._lock:
            session = self._find(key, epoch)
            if session is None:
                return None
            changed = replace(change(session), version=session.version + 1)
            self._keep(changed)
            return changed

    def holds(self, key: str) -> bool:
        with self._lock:
            return self._find(key) is not None

    def moved(self, key: str) -> bool:
        """It stays where it began."""
        return False

    def delete(self, key: str) -> bool:
        with self._lock:
            if self._find(key) is None:
                return False
            del self._sessions[key]
            self._remember(key, Ended.LOGGED_OUT)
            return True

    def ended(self, key: str) -> Ended | None:
        with self._lock:
            return self._ends.get(key)

    def sweep(self) -> int:
        with self._lock:
            return self._expire()

    def active(self) -> int:
        with self._lock:
            self._expire()
            return len(self._sessions)

    def drain(self) -> None:
        """Nothing is handed over: that is this design."""

    def close(self) -> None:
        """Nothing is handed over: that is this design."""

    def take(self, count: int) -> list[Kept]:
        """Remove and return up to so many sessions, for designs that hand them over."""
        with self._lock:
            self._expire()
            return [self._release(key) for key in list(islice(self._sessions, count))]

    def take_one(self, key: str) -> Kept | None:
        """Remove and return one session, if it is here."""
        with self._lock:
            self._expire()
            return self._release(key) if key in self._sessions else None

    def _release(self, key: str) -> Kept:
        deadline, session = self._sessions.pop(key)
        return Kept(session, deadline - self._clock())

    def _find(self, key: str, epoch: int = 0) -> Session | None:
        self._expire()
        found = self._sessions.get(key)
        return found[1] if found and found[1].epoch >= epoch else None

    def _keep(self, session: Session) -> None:
        self._sessions[session.key] = (self._clock() + self._ttl_s, session)
        self._sessions.move_to_end(session.key)

    def _expire(self) -> int:
        now, expired = self._clock(), 0
        while self._sessions:
            key, (deadline, _) = next(iter(self._sessions.items()))
            if deadline > now:
                break
            del self._sessions[key]
            self._remember(key, Ended.EXPIRED)
            expired += 1
        return expired

    def _remember(self, key: str, end: Ended) -> None:
        self._ends[key] = end
        if len(self._ends) > REMEMBERED_ENDS:
            self._ends.popitem(last=False)
