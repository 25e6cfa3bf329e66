"""Calls that only read, made beside the phases: whoever answers late holds no phase up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Aside(Protocol):
    """Makes calls while its owner goes on."""

    def ask(self, call: Callable[[], T]) -> Future[T]:
        """Begin the call; the future holds what it returns or raises."""

    def close(self) -> None:
        """Begin no more; what is under way ends by itself, and nobody waits for it."""


OpenAside = Callable[[int], Aside]
"""One that makes so many calls at once."""


class Threads:
    """So many threads."""

    def __init__(self, at_once: int) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="aside")

    def ask(self, call: Callable[[], T]) -> Future[T]:
        """See `Aside.ask`."""
        return self._pool.submit(call)

    def close(self) -> None:
        """See `Aside.close`."""
        self._pool.shutdown(wait=False, cancel_futures=True)
