"""Two clocks for every record: monotonic to order and subtract, wall to tell people when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A moment. `monotonic_s` is comparable within one machine, `wall_s` is Unix time (UTC)."""

    monotonic_s: float
    wall_s: float

    def record(self) -> dict[str, float]:
        """The two fields of an event record."""
        return {"monotonic_s": round(self.monotonic_s, 6), "wall_s": round(self.wall_s, 6)}


Clock = Callable[[], Instant]


def system_clock() -> Instant:
    """Read both clocks of this machine."""
    return Instant(time.monotonic(), time.time())
