"""Calls made aside, in virtual time: each ends as late as it took, and nobody waited for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tests.fakes.clock import VirtualClock

T = TypeVar("T")


@dataclass(slots=True)
class VirtualAside:
    """A `statefall.conductor.aside.Aside`."""

    clock: VirtualClock

    def ask(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        endings: list[Callable[[], None]] = []

        def work() -> None:
            try:
                endings.append(partial(future.set_result, call()))
            except Exception as error:  # noqa: BLE001 - raised where the future is asked
                endings.append(partial(future.set_exception, error))

        took_s = self.clock.beside(work)
        if took_s:
            self.clock.after(took_s, endings[0])
        else:
            endings[0]()
        return future

    def close(self) -> None:
        pass
