"""Channels: messages numbered so that a missing one shows, and the recent ones remembered.

Every replica numbers what is published through it in a *stream* of its own for each channel, from 1
on without a hole, so no replica waits for another. A subscriber is told up to which number each
stream was known when it subscribed; from then on the numbers of a stream follow each other, and one
that does not is a lost message. A stream ends with its replica: a new boot begins a new one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from services.contract import MAX_HISTORY_LIMIT

CHANNELS: Final = 2_000
"""How many channels a replica remembers; those without subscribers are forgotten first."""
STREAMS: Final = 64
"""How many streams of a channel are remembered, with the replica's own: others came and went."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a channel."""

    channel: str
    stream: str
    number: int
    """Its place in the stream, from 1."""
    sender: int
    """The user's id."""
    text: str
    at_s: float
    """Unix time."""


@dataclass(slots=True)
class Channel:
    """What a replica knows of one channel. Use it under its lock."""

    stream: str
    """This replica's own."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    positions: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """The newest number of each stream that was heard of."""
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=MAX_HISTORY_LIMIT))

    def keep(self, message: Message) -> None:
        """Remember it as the newest."""
        self.messages.append(message)
        self.positions[message.stream] = message.number
        self.positions.move_to_end(message.stream)
        if len(self.positions) > STREAMS:
            # Never this replica's own: its numbers would begin anew in the same stream.
            del self.positions[next(stream for stream in self.positions if stream != self.stream)]

    def recent(self, limit: int) -> list[Message]:
        """The newest messages, oldest first."""
        return list(self.messages)[-limit:] if limit else []


class Channels:
    """All channels of a replica."""

    def __init__(
        self, boot: str, deliver: Callable[[Message], None], has_subscribers: Callable[[str], bool]
    ) -> None:
        """`deliver` is called with each message, in the order of its stream."""
        self._boot, self._deliver, self._has_subscribers = boot, deliver, has_subscribers
        self._lock = threading.Lock()
        self._channels: OrderedDict[str, Channel] = OrderedDict()
        self._created = count(1)

    def publish(
        self, name: str, sender: int, text: str, at_s: float, forward: Callable[[Message], bool]
    ) -> tuple[Message, bool]:
        """Number a message, deliver it here and forward it; also returns whether that worked.

        Both happen before the next message of the channel is numbered, so no one sees them swapped.
        """
        with self.held(name) as channel:
            number = channel.positions.get(channel.stream, 0) + 1
            message = Message(name, channel.stream, number, sender, text, at_s)
            channel.keep(message)
            self._deliver(message)
            return message, forward(message)

    def heard(self, message: Message) -> None:
        """Take in a message that another replica forwarded."""
        with self.held(message.channel) as channel:
            channel.keep(message)
            self._deliver(message)

    @contextmanager
    def held(self, name: str) -> Iterator[Channel]:
        """The channel, while nothing is published in it."""
        with self._lock:
            channel = self._channels.get(name)
            if channel is None:
                self._make_room()
                channel = self._channels[name] = Channel(f"{self._boot}.{next(self._created)}")
            self._channels.move_to_end(name)
        with channel.lock:
            yield channel

    def _make_room(self) -> None:
        for name in list(self._channels)[: max(0, len(self._channels) - CHANNELS + 1)]:
            if self._has_subscribers(name):
                self._channels.move_to_end(name)
            else:
                # Should it come back, it begins another stream, so its numbers do not seem to repeat.
                del self._channels[name]
