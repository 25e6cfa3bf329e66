"""Counts the sessions in the store and asks for its memory, in the background.

Counting looks at every key, so it is done at most every `INTERVAL_S`, and less often where it takes
long: it must not become a load of its own. What cannot be asked is not a number (NaN) until it can, and
no error ends the thread, for then the last figures would stand for good.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import Final

from services.sessions.measures import SessionMeasures
from services.sessions.records import PREFIX
from services.store import Store, StoreUnavailable

INTERVAL_S: Final = 2.0
REST: Final = 50
"""The pause is at least so many times as long as the count before it took."""

logger = logging.getLogger(__name__)


class Census:
    """A part of the replica with a thread of its own."""

    def __init__(self, store: Store, measures: SessionMeasures) -> None:
        self._store, self._measures = store, measures
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="session-census", daemon=True)

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join(timeout=2.0)

    def take(self) -> bool:
        """Count once; returns whether that was possible."""
        sessions = memory = limit = math.nan
        try:
            servers = self._store.servers()
            memory = sum(server["used_memory"] for server in servers)
            limit = sum(server.get("maxmemory", 0) for server in servers)
            sessions = len(self._store.keys(f"{PREFIX}*"))
        except StoreUnavailable:
            # The failed call is counted by the store's own metrics.
            sessions = memory = limit = math.nan
        except Exception:
            logger.exception("counting the sessions in the store")
            sessions = memory = limit = math.nan
        self._measures.store_sessions.set(sessions)
        self._measures.store_memory.set(memory)
        self._measures.store_memory_limit.set(limit)
        return not math.isnan(sessions)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._end.wait(pause_s):
            begin = time.monotonic()
            counted = self.take()
            # A count that failed was no load, however long it waited for its answer.
            pause_s = max(INTERVAL_S, REST * (time.monotonic() - begin)) if counted else INTERVAL_S
