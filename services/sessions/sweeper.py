"""Removes abandoned sessions in the background, so that memory follows the users who are there."""

from __future__ import annotations

import threading

from services.sessions.protocol import SessionStore


class Sweeper:
    """A thread that sweeps a store every `interval_s`."""

    def __init__(self, sessions: SessionStore, interval_s: float) -> None:
        self._sessions, self._interval_s = sessions, interval_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="session-sweeper", daemon=True)

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._end.wait(self._interval_s):
            self._sessions.sweep()
