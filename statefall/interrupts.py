"""Ctrl-C and SIGTERM: the first ends the run in order, one more ends the process at once."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

from foundation.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class OrderlyInterrupts:
    """While entered (on the main thread), the first signal raises Interrupted from wherever the code is.

    Later signals wait until the run is put away; the third ends the process, whose children die with
    it (and `statefall recover` clears what is left).
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for name in _SIGNALS:
            self._before[name] = signal.signal(name, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.received += 1
        if self.received == 1:
            raise Interrupted(f"ended early by {signal.Signals(number).name}")
        if self.received > 2:
            os._exit(Interrupted.exit_code)
