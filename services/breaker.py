"""A circuit breaker: after a few failures in a row, calls are refused at once until a trial succeeds.

Without one, every request of an outage would wait for its own timeout, and with it all threads.
Why it is not a library's: docs/decisions/0010-circuit-breaker.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 3
"""So many in a row open it: one lost connection is no outage."""
PAUSE_S: Final = 0.5
"""How long it stays open before one call may try; bounds how late the end of an outage is noticed."""


class Breaker:
    """Ask `admit` before a call and tell how it ended; safe for several threads."""

    def __init__(
        self,
        failures: int = FAILURES,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._pause_s, self._clock = failures, pause_s, clock
        self._lock = threading.Lock()
        self._failed = 0
        self._trial_at_s = 0.0
        """When the next call may try; only of interest while it is open."""

    @property
    def open(self) -> bool:
        """Whether calls are being refused."""
        return self._failed >= self._limit

    def admit(self) -> bool:
        """Whether a call may be made now. While it is open, one call in each pause is the trial."""
        if not self.open:
            return True
        with self._lock:
            now = self._clock()
            if self.open and now < self._trial_at_s:
                return False
            self._trial_at_s = now + self._pause_s
            return True

    def succeeded(self) -> None:
        """A call was answered, whatever the answer."""
        if self._failed:
            with self._lock:
                self._failed = 0

    def failed(self) -> None:
        """A call was not answered."""
        with self._lock:
            self._failed += 1
            self._trial_at_s = self._clock() + self._pause_s
