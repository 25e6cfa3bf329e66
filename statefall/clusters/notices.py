"""Tells subscribers of transitions, in order, from a thread of its own; both clusters use it.

Its own, so that a subscriber may call the cluster, and a slow one does not hold the cluster up.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from statefall.clusters.protocol import Listener, PodTransition


class Notices:
    """The queue between the cluster and its subscribers."""

    def __init__(self, on_failure: Callable[[str], None]) -> None:
        """`on_failure`: is told when a subscriber raised; that one hears no more."""
        self._on_failure = on_failure
        self._waiting: queue.Queue[PodTransition | Listener | None] = queue.Queue()
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._deliver, name="notices", daemon=True)
        self._thread.start()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell it all that is put from now on, until the returned call."""
        ended = threading.Event()

        def while_subscribed(transition: PodTransition) -> None:
            if not ended.is_set():
                listener(transition)

        # Through the queue, so that what is waiting already goes to the earlier subscribers alone.
        self._waiting.put(while_subscribed)

        def end() -> None:
            ended.set()
            with self._lock:
                if while_subscribed in self._listeners:
                    self._listeners.remove(while_subscribed)

        return end

    def put(self, transition: PodTransition) -> None:
        """Tell everybody."""
        self._waiting.put(transition)

    def close(self) -> None:
        """Deliver what is waiting, then end."""
        self._waiting.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5.0)

    def _deliver(self) -> None:
        while (item := self._waiting.get()) is not None:
            if not isinstance(item, PodTransition):
                with self._lock:
                    self._listeners.append(item)
                continue
            with self._lock:
                listeners = tuple(self._listeners)
            for listener in listeners:
                self._tell(listener, item)

    def _tell(self, listener: Listener, transition: PodTransition) -> None:
        try:
            listener(transition)
        except Exception as error:  # noqa: BLE001 - reported to whoever calls the cluster next
            with self._lock:
                self._listeners.remove(listener)
            self._on_failure(f"a subscriber failed on {transition.transition}: {error!r}")
