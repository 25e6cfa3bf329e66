"""How hard the processes of this machine compete for its processors, as the kernel counts it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PRESSURE: Final = Path("/proc/pressure/cpu")
"""Pressure stall information: `some ... total=<microseconds>`, since the machine started."""


@dataclass(slots=True)
class ProcessorPressure:
    """The share of the time in which at least one process that could run had to wait for a processor."""

    file: Path = PRESSURE
    now_s: Callable[[], float] = time.monotonic
    _waited_us: int | None = field(init=False)
    _at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._waited_us, self._at_s = self._read(), self.now_s()

    def share(self) -> float | None:
        """From 0 to 1, since the last call; None where the kernel does not tell."""
        waited_us, at_s = self._read(), self.now_s()
        before_us, before_s = self._waited_us, self._at_s
        self._waited_us, self._at_s = waited_us, at_s
        if waited_us is None or before_us is None or at_s <= before_s:
            return None
        return round(min((waited_us - before_us) / 1e6 / (at_s - before_s), 1.0), 4)

    def _read(self) -> int | None:
        try:
            lines = self.file.read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        some = next((line.split() for line in lines if line.startswith("some ")), [])
        totals = [part.removeprefix("total=") for part in some if part.startswith("total=")]
        return int(totals[0]) if totals and totals[0].isdecimal() else None
