"""State design `write-through`: sessions live in memory and in the store, and every change is in both
before it is answered.

A read asks the store for the version alone and takes the copy in memory where that is still the newest,
so a client that moves to another replica and back never sees the copy that it left behind. A write is
the compare-and-set of `external`. When a replica dies nothing is lost: the next one finds the session in
the store.

`active` counts the copies in this process's memory; several replicas may hold one of the same session.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from services.sessions.external import ExternalSessions
from services.sessions.measures import SessionMeasures
from services.sessions.records import SessionRecords
from services.sessions.session import Session

COPIES: Final = 100_000
"""How many sessions a replica keeps in memory; the longest unused go first and lie in the store still."""


class WriteThroughSessions(ExternalSessions):
    """Fulfils `SessionStore`, where its methods are described."""

    def __init__(self, records: SessionRecords, measures: SessionMeasures, copies: int = COPIES) -> None:
        super().__init__(records, measures)
        self._limit = copies
        self._lock = threading.Lock()
        self._copies: OrderedDict[str, Session] = OrderedDict()

    def active(self) -> int:
        return len(self._copies)

    def _known(self, key: str) -> Session | None:
        with self._lock:
            return self._copies.get(key)

    def _remember(self, session: Session) -> None:
        with self._lock:
            held = self._copies.get(session.key)
            # Two threads may come back from the store in the other order than they asked it.
            if held is None or held.version <= session.version:
                self._copies[session.key] = session
            self._copies.move_to_end(session.key)
            if len(self._copies) > self._limit:
                self._copies.popitem(last=False)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._copies.pop(key, None)
