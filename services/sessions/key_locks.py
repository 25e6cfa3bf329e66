"""Orders what the threads of one replica do to one session, so that they do not race each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from services.refusals import Unavailable

STRIPES: Final = 256
"""Locks that all keys share; two sessions in use at once rarely meet on one."""
TIMEOUT_S: Final = 0.5


class KeyLocks:
    """A lock for every key."""

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(STRIPES)]

    @contextmanager
    def held(self, key: str, timeout_s: float = TIMEOUT_S) -> Iterator[None]:
        """Hold the key's lock. Raises Unavailable when its holders are too slow, as in an outage."""
        lock = self._locks[hash(key) % STRIPES]
        if not lock.acquire(timeout=timeout_s):
            raise Unavailable("other requests of this session are under way")
        try:
            yield
        finally:
            lock.release()
