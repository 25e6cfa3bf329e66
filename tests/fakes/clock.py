"""A clock whose time passes only when somebody sleeps by it, and which keeps appointments meanwhile."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from statefall.records.clock import Instant

WALL_S = 1_780_000_000.0


class VirtualClock:
    """A `statefall.records.clock.SleepingClock`."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._ahead_s: float | None = None
        """How far a call that is made beside the owner of the time has come; None outside of such a call."""
        self._order = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def __call__(self) -> Instant:
        now_s = self._now_s + (self._ahead_s or 0.0)
        return Instant(now_s, WALL_S + now_s)

    def sleep(self, seconds: float) -> None:
        """Pass the time at once; what falls due meanwhile happens at its moment, and may raise."""
        if self._ahead_s is not None:
            self._ahead_s += seconds
            return
        end_s = self._now_s + seconds
        while self._due and self._due[0][0] <= end_s:
            at_s, _, act = heapq.heappop(self._due)
            self._now_s = max(self._now_s, at_s)
            act()
        self._now_s = max(self._now_s, end_s)

    def beside(self, call: Callable[[], None]) -> float:
        """Make the call while no time passes for anybody else; returns how long it took."""
        self._ahead_s = 0.0
        try:
            call()
            return self._ahead_s
        finally:
            self._ahead_s = None

    def wait_out(self, span: tuple[float, float]) -> None:
        """Sleep until the end of this span of monotonic time; a no-op outside of it."""
        now_s = self().monotonic_s
        if span[0] <= now_s < span[1]:
            self.sleep(span[1] - now_s)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have this done so many seconds from now."""
        heapq.heappush(self._due, (self._now_s + seconds, next(self._order), act))
