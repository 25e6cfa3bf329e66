"""What one WebSocket was promised: every message of its channels, once, and that its chat is remembered.

Messages are numbered without a hole in the stream of the replica that published them, so a skipped
number is a lost message. A message that the shopper published and that was acknowledged is owed
besides, even when nothing comes after it to show the hole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from statefall.records.verdicts import MessageVerdict

CHAT_MEMORY: Final = 50
"""How many of its own chat messages the service remembers for a connection."""

Positions = Mapping[str, int]
"""The newest number of each stream."""


@dataclass(frozen=True, slots=True)
class MessageFinding:
    """Messages `first` to `last` of a stream that were not delivered as promised."""

    verdict: MessageVerdict
    channel: str
    stream: str
    first: int
    last: int
    evidence: str

    @property
    def count(self) -> int:
        """How many messages."""
        return self.last - self.first + 1


class _Stream:
    __slots__ = ("newest", "owed")

    def __init__(self, newest: int | None) -> None:
        self.newest = newest
        """None: nothing is known of it yet but what is owed."""
        self.owed: dict[int, float] = {}
        """Acknowledged numbers that did not come yet, and when each was acknowledged."""


class Inbox:
    """One connection. Times are seconds of the caller's monotonic clock."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, _Stream]] = {}
        self._chats = 0

    def subscribed(self, channel: str, positions: Positions) -> None:
        """From these numbers on every message is promised."""
        self._channels[channel] = {stream: _Stream(newest) for stream, newest in positions.items()}

    def listens_to(self, channel: str) -> bool:
        """Whether it is subscribed."""
        return channel in self._channels

    def newest(self, channel: str) -> dict[str, int]:
        """The newest number of each stream that was seen."""
        streams = self._channels.get(channel, {})
        return {name: stream.newest for name, stream in streams.items() if stream.newest is not None}

    def received(self, channel: str, stream: str, number: int) -> MessageFinding | None:
        """A message came; tells what is wrong with its number."""
        state = self._stream(channel, stream)
        before = state.newest
        if before is not None and number <= before:
            evidence = f"number {number} came after {before}"
            return MessageFinding(MessageVerdict.DUPLICATED, channel, stream, number, number, evidence)
        # Of a stream that was not there on subscribing only what is owed is known to be missing.
        owed = min((earlier for earlier in state.owed if earlier < number), default=number)
        first = owed if before is None else before + 1
        state.newest = number
        state.owed = {later: since for later, since in state.owed.items() if later > number}
        if first == number:
            return None
        evidence = f"number {number} came after {'nothing' if before is None else before}"
        return MessageFinding(MessageVerdict.LOST, channel, stream, first, number - 1, evidence)

    def owe(self, channel: str, stream: str, number: int, at_s: float) -> None:
        """A message was acknowledged to its publisher, sent while this connection was subscribed."""
        if channel in self._channels:
            state = self._stream(channel, stream)
            if state.newest is None or number > state.newest:
                state.owed[number] = at_s

    def overdue(self, before_s: float) -> list[MessageFinding]:
        """What was acknowledged before this moment and has not come: asked once, when all must be here."""
        found = []
        for channel, streams in self._channels.items():
            for name, state in streams.items():
                for number in sorted(n for n, since in state.owed.items() if since < before_s):
                    del state.owed[number]
                    evidence = f"number {number} was acknowledged and never came"
                    found.append(MessageFinding(MessageVerdict.LOST, channel, name, number, number, evidence))
        return found

    def chatted(self, count: int, remembered: int) -> MessageFinding | None:
        """A chat message was answered: `count` of them on this connection, of which so many are known."""
        self._chats += 1
        said = min(self._chats - 1, CHAT_MEMORY)
        if count == self._chats and remembered == said:
            return None
        evidence = f"chat {self._chats} is counted as {count}, and {remembered} of {said} are remembered"
        return MessageFinding(MessageVerdict.FORGOTTEN, "", "", 1, 1, evidence)

    def _stream(self, channel: str, stream: str) -> _Stream:
        return self._channels.setdefault(channel, {}).setdefault(stream, _Stream(None))


def missed(
    channel: str, known: Positions, positions: Positions, recent: Mapping[str, frozenset[int]]
) -> list[MessageFinding]:
    """What was published while nobody listened: after `known`, up to `positions`, and not in `recent`.

    A stream that the replica does not know any more, or that was not known before, tells nothing.
    """
    found = []
    for stream, newest in sorted(known.items()):
        shown = recent.get(stream, frozenset())
        gone = [n for n in range(newest + 1, positions.get(stream, 0) + 1) if n not in shown]
        if gone:
            evidence = f"{len(gone)} published after number {newest} are not shown on return"
            found.append(MessageFinding(MessageVerdict.MISSED, channel, stream, gone[0], gone[-1], evidence))
    return found
