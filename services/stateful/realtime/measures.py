"""What a replica counts of its WebSockets."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.stateful.realtime.stream import Ending


class RealtimeMeasures:
    """The collectors of WebSockets, channels and broadcasts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge("statefall_websocket_connections", "WebSockets open now.", registry=registry)
        self.opened = Counter("statefall_websockets_opened", "WebSockets begun.", registry=registry)
        self.refused = Counter(
            "statefall_websockets_refused", "WebSockets refused because of the limit.", registry=registry
        )
        self.closed = Counter(
            "statefall_websockets_closed",
            "WebSockets that ended, by how (client, server, bad, silent, broken).",
            ["ending"],
            registry=registry,
        )
        for ending in Ending:
            self.closed.labels(ending.value)
        self.told_lost = Counter(
            "statefall_websockets_told_lost",
            "WebSockets over which a user was told that the session is gone.",
            registry=registry,
        )
        self.received = Counter(
            "statefall_websocket_requests", "Messages from clients by type.", ["type"], registry=registry
        )
        self.delivered = Counter(
            "statefall_websocket_deliveries",
            "Channel messages queued for connections.",
            registry=registry,
        )
        self.broadcast = Counter(
            "statefall_broadcast_messages",
            "Messages between replicas by direction (sent, heard, unsent; ignored: not a message).",
            ["direction"],
            registry=registry,
        )
        self._listening = Gauge(
            "statefall_broadcast_listening",
            "Whether messages of other replicas are heard now.",
            registry=registry,
        )

    def count_connections_with(self, connected: Callable[[], int]) -> None:
        """Ask `connected` at each scrape."""
        self._open.set_function(lambda: float(connected()))

    def tell_listening_with(self, listening: Callable[[], bool]) -> None:
        """Ask `listening` at each scrape."""
        self._listening.set_function(lambda: float(listening()))
