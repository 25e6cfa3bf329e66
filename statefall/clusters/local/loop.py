"""One thread that runs events one by one, and settles what follows from each before the next.

Whatever is touched from here alone needs no lock.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from statefall.clusters.protocol import ClusterError
from statefall.records.errors import StatefallError

_Answer = TypeVar("_Answer")
Event = Callable[[], None]


class Loop:
    """The thread and its queue."""

    def __init__(
        self, settle: Event, next_due_s: Callable[[], float | None], on_failure: Callable[[str], None]
    ) -> None:
        """`settle` is called after each event and at the monotonic time that `next_due_s` names.

        `on_failure` is told, in words, why the loop had to end.
        """
        self._settle, self._next_due_s, self._on_failure = settle, next_due_s, on_failure
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Run what is waiting, then end. Idempotent."""
        self._events.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def post(self, event: Event) -> None:
        """Run it soon."""
        self._events.put(event)

    def ask(self, command: Callable[[], _Answer]) -> _Answer:
        """Run it between two events and return its answer once what follows from it has been begun.

        Raises what it raises, and ClusterError when the loop has ended.
        """
        future: Future[_Answer] = Future()

        def run() -> None:
            try:
                answer = command()
                self._settle()
            except StatefallError as error:
                future.set_exception(error)
            else:
                future.set_result(answer)

        self._events.put(run)
        while not future.done() and self._thread.is_alive():
            try:
                return future.result(timeout=0.5)
            except TimeoutError:
                continue
        if not future.done():
            raise ClusterError("the cluster is closed")
        return future.result()

    def _run(self) -> None:
        try:
            while (event := self._next()) is not None:
                event()
                self._settle()
        except StatefallError as error:
            self._on_failure(str(error))
        except Exception as error:  # noqa: BLE001 - whoever waits must learn that nobody works any more
            self._on_failure(f"the controller failed: {error!r}")

    def _next(self) -> Event | None:
        due_s = self._next_due_s()
        try:
            return self._events.get(timeout=None if due_s is None else max(due_s - time.monotonic(), 0))
        except queue.Empty:
            return _nothing_but_what_is_due


def _nothing_but_what_is_due() -> None:
    """The event that stands for the passing of time."""
