"""State design `write-through`: sessions live in memory and in the store, and every change is in both
before it is answered.

A read asks the store for the last write alone and takes the copy in memory where that is still the newest,
so a client that moves to another replica and back never sees the copy that it left behind, nor one of
the same version from before the store went back. A write is
the compare-and-set of `external`, begun from the copy. When a replica dies nothing is lost: the next one
finds the session in the store. While the store is away the copies are not served, because nobody could
say whether they are still the newest.

`active` counts the copies in this process's memory; several replicas may hold one of the same session.
The store removes expired sessions by itself, `sweep` the copies that were not used for as long.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.sessions.external import ExternalSessions
from services.sessions.measures import SessionMeasures
from services.sessions.records import Copy, SessionRecords

COPIES: Final = 100_000
"""How many sessions a replica keeps in memory; the longest unused go first and lie in the store still."""


class WriteThroughSessions(ExternalSessions):
    """Fulfils `SessionStore`, where its methods are described."""

    def __init__(
        self,
        records: SessionRecords,
        measures: SessionMeasures,
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
        copies: int = COPIES,
    ) -> None:
        super().__init__(records, measures, clock)
        self._ttl_s, self._limit = ttl_s, copies
        self._lock = threading.Lock()
        self._copies: OrderedDict[str, tuple[float, Copy]] = OrderedDict()

    def sweep(self) -> int:
        with self._lock:
            return self._drop_unused()

    def active(self) -> int:
        with self._lock:
            self._drop_unused()
            return len(self._copies)

    def _known(self, key: str) -> Copy | None:
        with self._lock:
            held = self._copies.get(key)
            return held[1] if held else None

    def _remember(self, copy: Copy) -> None:
        # Whichever thread comes last wins: a copy that is behind is found out at its next use.
        with self._lock:
            self._copies[copy.session.key] = (self._clock() + self._ttl_s, copy)
            self._copies.move_to_end(copy.session.key)
            if len(self._copies) > self._limit:
                self._copies.popitem(last=False)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._copies.pop(key, None)

    def _drop_unused(self) -> int:
        now, dropped = self._clock(), 0
        # In the order of last use, which is the order of expiry.
        while self._copies and next(iter(self._copies.values()))[0] <= now:
            self._copies.popitem(last=False)
            dropped += 1
        return dropped
