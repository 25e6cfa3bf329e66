"""What waits to be sent on one connection: bounded, so that a slow reader costs its own connection only."""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Close:
    """How a connection is to be closed (RFC 6455, section 7.4)."""

    code: int
    reason: str


class Outbox:
    """Filled by any thread, emptied by the connection's own, which waits for `fileno` to be readable."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._texts: deque[str] = deque()
        self._close: Close | None = None
        self._woken = False
        self._discarded = False
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)

    def put(self, text: str) -> bool:
        """Queue a message; False when there is no room, or nothing is sent any more."""
        with self._lock:
            if self._close is not None or self._discarded or len(self._texts) >= self._capacity:
                return False
            self._texts.append(text)
            self._wake()
            return True

    def end(self, close: Close) -> bool:
        """Close the connection once all before is sent; False when it is being closed already."""
        with self._lock:
            if self._close is not None or self._discarded:
                return False
            self._close = close
            self._wake()
            return True

    def take(self) -> tuple[list[str], Close | None]:
        """Everything that waits, and how to close after it, if that was asked for."""
        with self._lock:
            if self._woken:
                self._woken = False
                os.read(self._read_end, 1)
            texts = list(self._texts)
            self._texts.clear()
            return texts, self._close

    def fileno(self) -> int:
        """Readable when there is something to take."""
        return self._read_end

    def discard(self) -> None:
        """The connection is over; nothing that waits will be sent."""
        with self._lock:
            if not self._discarded:
                self._discarded = True
                os.close(self._read_end)
                os.close(self._write_end)

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            os.write(self._write_end, b"\0")
