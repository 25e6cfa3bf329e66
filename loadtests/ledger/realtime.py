"""The WebSockets of a load process: what became of each, and of the messages that it was promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foundation.verdicts import ConnectionVerdict, MessageVerdict, RealtimeCounts

from .answer import Replica
from .inbox import Inbox, MessageFinding, Positions, missed


@dataclass(slots=True, eq=False)
class Line:
    """One WebSocket of a shopper's session."""

    connection: str
    """The service's name of it."""
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


class RealtimeBook:
    """Counts for all shoppers of a process; the rest is in `Household`, one for each shopper."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, count: int = 1) -> None:
        """Count something under its name in RealtimeCounts."""
        self._counts[name] += count

    def counts(self) -> RealtimeCounts:
        """As of now."""
        return RealtimeCounts(**self._counts)


class Household:
    """The WebSockets of one shopper, together: what one of them publishes is owed to all."""

    def __init__(self, book: RealtimeBook, found: Callable[[Line, MessageFinding], None]) -> None:
        self._book, self._found = book, found
        self.lines: list[Line] = []
        """Those that are open."""
        self._known: dict[str, dict[str, int]] = {}
        """Channel -> stream -> newest number that any connection ever saw."""

    def opened(self, line: Line) -> None:
        """An opening handshake was answered."""
        self.lines.append(line)
        self._book.add("connections_opened")

    def closed(self, line: Line, verdict: ConnectionVerdict) -> bool:
        """It is over; False when that is known already."""
        if line not in self.lines:
            return False
        self.lines.remove(line)
        self._book.add(f"connections_{verdict.value}")
        return True

    def subscribed(self, line: Line, shown: Shown) -> None:
        """A connection listens to a channel, maybe the first after a time without any."""
        known = self._known.setdefault(shown.channel, {})
        if not any(other.inbox.listens_to(shown.channel) for other in self.lines if other is not line):
            for finding in missed(shown.channel, known, shown.positions, shown.recent):
                self._report(line, finding)
        line.inbox.subscribed(shown.channel, shown.positions)
        for stream, newest in shown.positions.items():
            known[stream] = max(newest, known.get(stream, 0))

    def received(self, line: Line, channel: str, stream: str, number: int) -> None:
        """A message came."""
        known = self._known.setdefault(channel, {})
        known[stream] = max(number, known.get(stream, 0))
        finding = line.inbox.received(channel, stream, number)
        if finding is None or finding.verdict is not MessageVerdict.DUPLICATED:
            self._book.add("delivered")
        self._report(line, finding)

    def published(
        self, audience: Sequence[Line], channel: str, stream: str, number: int, at_s: float
    ) -> None:
        """A publication was acknowledged; `audience` was subscribed when it was sent."""
        self._book.add("published")
        for line in audience:
            line.inbox.owe(channel, stream, number, at_s)

    def chatted(self, line: Line, count: int, remembered: int) -> None:
        """A chat message was answered."""
        self._book.add("chats")
        self._report(line, line.inbox.chatted(count, remembered))

    def settle(self, before_s: float) -> None:
        """What was acknowledged before this moment must be here on every open connection."""
        for line in self.lines:
            for finding in line.inbox.overdue(before_s):
                self._report(line, finding)

    def _report(self, line: Line, finding: MessageFinding | None) -> None:
        if finding is not None:
            self._book.add(finding.verdict.value, finding.count)
            self._found(line, finding)
