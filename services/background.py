"""What many threads want to know and may take long: it is asked once for all of them, in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class AskedOnce(Generic[_Answer]):
    """A question that is under way at most once; whoever comes meanwhile shares its answer."""

    def __init__(self, ask: Callable[..., _Answer], name: str, *, keep: bool = False) -> None:
        """`name`: of the thread. With `keep`, an answer is final, and only a failure is asked again."""
        self._ask, self._keep = ask, keep
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, name)
        self._asked: Future[_Answer] | None = None

    def begin(self, *arguments: object, **more: object) -> Future[_Answer]:
        """Ask, unless it is being asked already; does not wait."""
        with self._lock:
            if self._asked is None or (self._asked.done() and not self._final(self._asked)):
                self._asked = self._thread.submit(self._ask, *arguments, **more)
            return self._asked

    def answer(self, timeout_s: float, *arguments: object) -> _Answer:
        """The answer. Raises what asking raised, and TimeoutError when it takes longer than `timeout_s`."""
        return self.begin(*arguments).result(timeout_s)

    def _final(self, asked: Future[_Answer]) -> bool:
        return self._keep and asked.exception() is None
