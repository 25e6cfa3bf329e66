"""A signal ends a run wherever it meets the code, in a library's and in a finalizer too."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress

import pytest

from statefall.conductor.interrupts import OrderlyInterrupts
from statefall.records.errors import Interrupted

DEADLINE_S = 10.0


class Finalized:
    """A signal comes while it is finalized: Python drops what is raised there."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_nothing_that_handles_exceptions_holds_a_signal_up() -> None:
    with OrderlyInterrupts(), pytest.raises(Interrupted, match="SIGINT"), suppress(Exception):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_comes_in_a_finalizer_is_raised_a_moment_later() -> None:
    hook = sys.unraisablehook
    with OrderlyInterrupts() as interrupts:
        found = Finalized()
        del found
        with pytest.raises(Interrupted, match="SIGINT"):
            time.sleep(DEADLINE_S)
    assert interrupts.received == 1
    assert sys.unraisablehook == hook


def test_what_else_is_dropped_in_a_finalizer_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: told.append(what.exc_type))

    class Broken:
        def __del__(self) -> None:
            raise ValueError

    with OrderlyInterrupts():
        found = Broken()
        del found
    assert told == [ValueError]
