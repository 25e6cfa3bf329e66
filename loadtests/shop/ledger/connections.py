"""The WebSockets of a shopper: what became of each, and of the messages that it was promised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from statefall.ledger.realtime import RealtimeCounter
from statefall.records.verdicts import ConnectionVerdict, MessageVerdict

from .answer import Replica
from .inbox import Inbox, MessageFinding, Positions, missed


@dataclass(slots=True, eq=False)
class Connection:
    """One WebSocket of a shopper's session."""

    name: str
    """As the service names it."""
    replica: Replica
    opened_s: float
    """On the caller's monotonic clock."""
    inbox: Inbox = field(default_factory=Inbox)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a subscription brought."""

    channel: str
    positions: Positions
    recent: Mapping[str, frozenset[int]]
    """The numbers of the recent messages by stream."""

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Shown:
        """From `welcome` or `subscribed`. Raises KeyError or TypeError when it is not one."""
        recent: dict[str, set[int]] = {}
        for each in message["messages"]:
            recent.setdefault(each["stream"], set()).add(each["number"])
        return cls(
            message["channel"],
            dict(message["positions"]),
            {stream: frozenset(numbers) for stream, numbers in recent.items()},
        )


class UserConnections:
    """The WebSockets of one shopper, together: what one of them publishes is owed to all."""

    def __init__(self, counter: RealtimeCounter, found: Callable[[Connection, MessageFinding], None]) -> None:
        self._counter, self._found = counter, found
        self.connections: list[Connection] = []
        """Those that are open."""
        self._known: dict[str, dict[str, int]] = {}
        """Channel -> stream -> newest number that any connection ever saw."""

    def opened(self, connection: Connection) -> None:
        """An opening handshake was answered."""
        self.connections.append(connection)
        self._counter.add("connections_opened")

    def closed(self, connection: Connection, verdict: ConnectionVerdict) -> bool:
        """It is over; False when that is known already."""
        if connection not in self.connections:
            return False
        self.connections.remove(connection)
        self._counter.add(f"connections_{verdict.value}")
        return True

    def subscribed(self, connection: Connection, shown: Shown) -> None:
        """A connection listens to a channel, maybe the first after a time without any."""
        known = self._known.setdefault(shown.channel, {})
        if not any(
            other.inbox.listens_to(shown.channel) for other in self.connections if other is not connection
        ):
            for finding in missed(shown.channel, known, shown.positions, shown.recent):
                self._report(connection, finding)
        connection.inbox.subscribed(shown.channel, shown.positions)
        for stream, newest in shown.positions.items():
            known[stream] = max(newest, known.get(stream, 0))

    def received(self, connection: Connection, channel: str, stream: str, number: int) -> None:
        """A message came."""
        known = self._known.setdefault(channel, {})
        known[stream] = max(number, known.get(stream, 0))
        finding = connection.inbox.received(channel, stream, number)
        if finding is None or finding.verdict is not MessageVerdict.DUPLICATED:
            self._counter.add("delivered")
        self._report(connection, finding)

    def published(
        self, audience: Sequence[Connection], channel: str, stream: str, number: int, at_s: float
    ) -> None:
        """A publication was acknowledged; `audience` was subscribed when it was sent."""
        self._counter.add("published")
        for connection in audience:
            connection.inbox.owe(channel, stream, number, at_s)

    def chatted(self, connection: Connection, count: int, remembered: int) -> None:
        """A chat message was answered."""
        self._counter.add("chats")
        self._report(connection, connection.inbox.chatted(count, remembered))

    def settle(self, before_s: float) -> None:
        """What was acknowledged before this moment must be here on every open connection."""
        for connection in self.connections:
            for finding in connection.inbox.overdue(before_s):
                self._report(connection, finding)

    def _report(self, connection: Connection, finding: MessageFinding | None) -> None:
        if finding is not None:
            self._counter.add(finding.verdict.value, finding.count)
            self._found(connection, finding)
