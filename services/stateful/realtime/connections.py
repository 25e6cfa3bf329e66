"""Who is connected to this replica: the register of open WebSockets, by user, session and channel."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from services.contract import CLOSE_TOO_SLOW, DEFAULT_HISTORY_LIMIT, MAX_HISTORY_LIMIT
from services.stateful.realtime.outbox import Close, Outbox
from services.stateful.realtime.stream import Vitals

HISTORY: Final = 50
"""How many of its own chat messages a connection remembers."""
LIMIT_PREFERENCE: Final = "message_history_limit"


@dataclass(slots=True, eq=False)
class Connection:
    """One open WebSocket. What it holds is gone with it."""

    id: str
    user_id: int
    session_key: str
    cookie: str = field(repr=False)
    outbox: Outbox
    vitals: Vitals
    preferences: dict[str, str]
    """Those of the session when it connected, changed for this connection alone."""
    subscriptions: set[str] = field(default_factory=set)
    history: deque[str] = field(default_factory=lambda: deque(maxlen=HISTORY))
    """What was said in its chat, oldest first."""
    chats: int = 0

    def send(self, kind: str, **fields: Any) -> None:
        """Queue a message. A connection whose queue is full is closed: a gap would be worse."""
        text = json.dumps({"type": kind, **fields}, separators=(",", ":"))
        if not self.outbox.put(text):
            self.outbox.end(Close(CLOSE_TOO_SLOW, "messages are not read fast enough"))

    @property
    def history_limit(self) -> int:
        """How many recent messages of a channel it wants to see on subscribing."""
        wanted = self.preferences.get(LIMIT_PREFERENCE, "")
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= 6):
            return DEFAULT_HISTORY_LIMIT
        return min(int(wanted), MAX_HISTORY_LIMIT)


class Connections:
    """The register. A connection is in all of it or in none of it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._all: dict[str, Connection] = {}
        self._channels: dict[str, set[Connection]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection) -> bool:
        """Register it; False when the limit is reached."""
        with self._changed:
            if len(self._all) >= self._limit:
                return False
            self._all[connection.id] = connection
            return True

    def remove(self, connection: Connection) -> None:
        """Forget it everywhere."""
        with self._changed:
            self._all.pop(connection.id, None)
            for channel in connection.subscriptions:
                self._leave(connection, channel)
            connection.subscriptions.clear()
            self._changed.notify_all()

    def subscribe(self, connection: Connection, channel: str) -> None:
        """From now on it gets the channel's messages, unless it was removed meanwhile."""
        with self._changed:
            if connection.id in self._all:
                connection.subscriptions.add(channel)
                self._channels.setdefault(channel, set()).add(connection)

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """It gets no more of the channel's messages."""
        with self._changed:
            connection.subscriptions.discard(channel)
            self._leave(connection, channel)

    def on_channel(self, channel: str) -> tuple[Connection, ...]:
        """The channel's subscribers."""
        with self._changed:
            return tuple(self._channels.get(channel, ()))

    def of_session(self, key: str) -> tuple[Connection, ...]:
        """The session's connections."""
        with self._changed:
            return tuple(each for each in self._all.values() if each.session_key == key)

    def of_user(self, user_id: int) -> tuple[Connection, ...]:
        """The user's connections, of all sessions."""
        with self._changed:
            return tuple(each for each in self._all.values() if each.user_id == user_id)

    def all(self) -> tuple[Connection, ...]:
        """All connections."""
        with self._changed:
            return tuple(self._all.values())

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until none is left; False when some still are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._all, timeout_s)

    def _leave(self, connection: Connection, channel: str) -> None:
        subscribers = self._channels.get(channel)
        if subscribers is not None:
            subscribers.discard(connection)
            if not subscribers:
                del self._channels[channel]
