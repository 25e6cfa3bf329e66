"""A small WebSocket service: each user's texts go to that user's connections alone, and are kept."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Message = dict[str, Any]
Defect = Callable[["Room", str, Message], list[Message] | None]


@dataclass(slots=True)
class Room:
    """`defect` says what is delivered of a message, and may do more; None: cut the connection."""

    defect: Defect = lambda room, user, message: [message]
    forgets: Callable[[Room, str], bool] = lambda room, user: False
    """Whether a new connection of a user is told that nothing was said."""
    receipts: bool = True
    """Whether a text is acknowledged before it is delivered."""
    said: dict[str, list[str]] = field(default_factory=dict)
    connections: dict[str, list[ServerConnection]] = field(default_factory=dict)
    texts: int = 0
    hit: list[str] = field(default_factory=list)
    """Users on whom a loss was planted."""
    lock: Any = field(default_factory=threading.RLock)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log_in(self, connection: ServerConnection, request: Any) -> Any:
        """What is answered to a request that is no handshake, or of nobody."""
        parts = urlsplit(request.path)
        if parts.path == "/login":
            user = parse_qs(parts.query)["user"][0]
            with self.lock:
                self.said.setdefault(user, [])
            response = connection.respond(200, "welcome\n")
            response.headers["Set-Cookie"] = f"user={user}; Path=/"
            return response
        if user_of(request) not in self.said:
            return connection.respond(401, "who?\n")
        return None

    def serve(self, connection: ServerConnection) -> None:
        """A connection from its handshake to its end."""
        user = user_of(connection.request)
        with self.lock:
            history = [] if self.forgets(self, user) else list(self.said[user])
            self.connections.setdefault(user, []).append(connection)
            connection.send(json.dumps({"history": history}))
        try:
            for text in connection:
                self.take(connection, user, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            with self.lock:
                self.connections[user].remove(connection)

    def take(self, connection: ServerConnection, user: str, message: Message) -> None:
        """Keep a text, acknowledge it, and deliver it."""
        with self.lock:
            self.texts += 1
            message = {**message, "user": user}
            delivered = self.defect(self, user, message)
            if delivered is None:
                connection.socket.shutdown(socket.SHUT_RDWR)
                return
            self.said[user].append(message["text"])
            if self.receipts:
                connection.send(json.dumps({"acknowledged": message["text"]}))
            for each in delivered:
                self.deliver(user, each)

    def deliver(self, user: str, message: Message) -> None:
        """To all connections of a user."""
        for connection in self.connections[user]:
            with suppress(ConnectionClosed):
                connection.send(json.dumps(message))


def user_of(request: Any) -> str:
    cookies = SimpleCookie(request.headers.get("Cookie", ""))
    return cookies["user"].value if "user" in cookies else ""


@contextmanager
def serving(room: Room) -> Iterator[Room]:
    """The room as a server on loopback."""
    with serve(room.serve, "127.0.0.1", 0, process_request=room.log_in) as server:
        room.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield room
        finally:
            server.shutdown()
            thread.join()
