"""How many sessions a replica holds at most: at the cap a login is refused, and nobody is evicted.

What counts is `SessionStore.active`: what lives in this process. A session that moves here from another
replica is never refused, since its user would lose it, so there can be more than the cap.
Why: docs/decisions/0074-a-cap-on-sessions.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Counter, Gauge

from services.metrics import Metrics
from services.refusals import Full

RETRY_AFTER_S: Final = 5.0
"""When to come back: nobody knows when a session ends, and another replica may have a place at once."""


class Places:
    """The places for sessions in one replica. Safe for several threads; never more logins than places."""

    def __init__(self, limit: int, active: Callable[[], int], metrics: Metrics) -> None:
        """`limit`: 0 is none."""
        self._limit, self._active = limit, active
        self._lock = threading.Lock()
        self._beginning = 0
        """Sessions that are being made; at the end of that one is counted twice, for a moment."""
        self._refused = Counter(
            "statefall_logins_refused",
            "Logins refused because this replica holds as many sessions as it may.",
            registry=metrics.registry,
        )
        Gauge(
            "statefall_sessions_limit",
            "How many sessions may live here before logins are refused; 0: any number.",
            registry=metrics.registry,
        ).set(limit)

    def look(self) -> None:
        """Raises Full when no session could begin now: before a password is hashed for nothing."""
        with self._lock:
            self._check()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Begin a session inside. Raises Full."""
        with self._lock:
            self._check()
            self._beginning += 1
        try:
            yield
        finally:
            with self._lock:
                self._beginning -= 1

    def _check(self) -> None:
        if self._limit and self._active() + self._beginning >= self._limit:
            self._refused.inc()
            raise Full("this replica holds as many sessions as it may: try again later", RETRY_AFTER_S)
