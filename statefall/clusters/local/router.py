"""The endpoint controller: keeps the balancer told of the endpoints, and says when it has taken them up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from statefall.clusters.local.routing import Route
from statefall.clusters.local.traefik import Traefik
from statefall.clusters.protocol import ClusterError

_INTERRUPTION_TIMEOUT_S: Final = 60.0
"""For the routes before it, and for a balancer that ends and starts."""


@dataclass(frozen=True, slots=True)
class _Interruption:
    """Something to be done to the balancer while it is told nothing."""

    act: Callable[[], None]
    done: Future[None] = field(default_factory=Future)


class Router:
    """Hands routes to the balancer from a thread of its own, since that waits until they are taken up."""

    def __init__(
        self, balancer: Traefik, on_taken: Callable[[Route], None], on_failure: Callable[[str], None]
    ) -> None:
        self._balancer, self._on_taken, self._on_failure = balancer, on_taken, on_failure
        self._wanted: queue.Queue[Route | _Interruption | None] = queue.Queue()
        self._told: Route | None = None
        """The last one that was handed over."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="router", daemon=True)
        self._thread.start()

    def want(self, route: Route) -> None:
        """Tell the balancer; `on_taken` is called once it follows."""
        self._wanted.put(route)

    def interrupt(self, act: Callable[[], None]) -> None:
        """Run it between two routes, hand the last one over again, and return once the balancer follows.

        Raises ClusterError, what `act` raises included: then no later route is followed.
        """
        interruption = _Interruption(act)
        self._wanted.put(interruption)
        try:
            interruption.done.result(_INTERRUPTION_TIMEOUT_S)
        except TimeoutError as error:
            raise ClusterError("the balancer did not come to it") from error

    def close(self) -> None:
        """Begin to end, even in the middle of telling; `join` waits."""
        self._closing.set()
        self._wanted.put(None)

    def join(self) -> None:
        """Wait for the end; soon, once the balancer is gone too."""
        self._thread.join()

    def _run(self) -> None:
        while (asked := self._wanted.get()) is not None and not self._closing.is_set():
            try:
                if isinstance(asked, _Interruption):
                    self._carry_out(asked)
                    continue
                self._balancer.tell(asked, stop=self._closing)
            except ClusterError as error:
                if not self._closing.is_set():
                    self._on_failure(str(error))
                return
            self._told = asked
            self._on_taken(asked)

    def _carry_out(self, interruption: _Interruption) -> None:
        try:
            interruption.act()
            if self._told is not None:
                self._balancer.tell(self._told, stop=self._closing)
        except ClusterError as error:
            interruption.done.set_exception(error)
            raise
        interruption.done.set_result(None)
