"""Two clocks for every record: monotonic to order and subtract, wall to tell people when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A moment. `monotonic_s` is comparable within one machine, `wall_s` is Unix time (UTC)."""

    monotonic_s: float
    wall_s: float

    def shifted(self, offset_s: float) -> Instant:
        """The same moment where the monotonic clock is so far ahead."""
        return Instant(self.monotonic_s + offset_s, self.wall_s)


Clock = Callable[[], Instant]


class SleepingClock(Protocol):
    """A clock that whoever waits sleeps by, so that a test's time passes at once."""

    def __call__(self) -> Instant:
        """Now."""

    def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed, at least."""


class SystemClock:
    """This machine's."""

    def __call__(self) -> Instant:
        return Instant(time.monotonic(), time.time())

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


system_clock = SystemClock()
