"""Ctrl-C and SIGTERM: the first ends the run in order, one more ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from statefall.clusters.protocol import Surroundings
from statefall.records.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN_AFTER_S = 0.02


class _Taken(ABC):
    """While entered (on the main thread), both signals go to `_take`; afterwards to whom they went before."""

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

    @abstractmethod
    def _take(self, number: int, frame: FrameType | None) -> None:
        """A signal came."""


class OrderlyInterrupts(_Taken):
    """While entered (on the main thread), the first signal raises Interrupted from wherever the code is.

    Where nothing can be raised from, in a finalizer, Python drops it: it is raised again a moment later.
    Later signals wait until the run is put away; the third ends the process, whose children die with
    it (and `statefall recover` clears what is left).
    """

    def __init__(self) -> None:
        super().__init__()
        self._again: threading.Timer | None = None
        self._name = ""
        self._dropped_before = sys.unraisablehook

    def __enter__(self) -> Self:
        self._dropped_before = sys.unraisablehook
        sys.unraisablehook = self._dropped
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._again is not None:
            self._again.cancel()
        sys.unraisablehook = self._dropped_before
        super().__exit__(kind, error, trace)

    def _dropped(self, what: sys.UnraisableHookArgs) -> None:
        if not isinstance(what.exc_value, Interrupted):
            self._dropped_before(what)
            return
        main = threading.main_thread().ident
        assert main is not None
        self._again = threading.Timer(_AGAIN_AFTER_S, signal.pthread_kill, (main, signal.SIGTERM))
        self._again.start()

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._again is not None:
            self._again = None
        else:
            self.received += 1
            self._name = signal.Signals(number).name
        if self.received == 1:
            raise Interrupted(f"ended early by {self._name}")
        if self.received > 2:
            os._exit(Interrupted.exit_code)


def close_wholly(cluster: Surroundings) -> None:
    """Close it to the end, even if the first signal comes in the middle of closing."""
    try:
        cluster.close()
    except Interrupted:
        cluster.close()
        raise


class EnoughSeen(_Taken):
    """While entered (on the main thread), the first Ctrl-C or SIGTERM calls `act`, the next raises."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act = act

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.received += 1
        if self.received > 1:
            raise Interrupted(f"ended early by {signal.Signals(number).name}")
        self._act()
