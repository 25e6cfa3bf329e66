"""StatefulWebSocketService: what users get over the WebSockets that a replica keeps open for them.

The state is the replica's: who is connected, what each connection subscribed to and said, what was
published lately. It dies with the replica, and the numbers of the messages show what a client missed.
Only the session, which every message is checked against, goes where the state design carries it.
"""

from __future__ import annotations

import logging
import queue
import secrets
import socket
import threading
import time
from typing import Any, Final

from services import timeout_budget
from services.contract import (
    CLOSE_GOING_AWAY,
    CLOSE_SESSION_LOST,
    CLOSE_TRY_LATER,
    OWN_CHANNEL,
    ErrorCode,
    Reach,
)
from services.refusals import BadRequest, Overloaded, Refusal, SessionExpired, SessionLost, Unauthenticated
from services.sessions.protocol import Ended
from services.sessions.session import Session
from services.settings import Settings
from services.shop.accounts import MAX_PREFERENCES
from services.stateful.lookup import Lookup
from services.stateful.realtime.broadcast import Broadcast
from services.stateful.realtime.channels import Channel, Channels, Message
from services.stateful.realtime.connections import Connection, Connections
from services.stateful.realtime.measures import RealtimeMeasures
from services.stateful.realtime.outbox import Close, Outbox
from services.stateful.realtime.requests import Chat, Prefer, Publish, Subscribe, Unsubscribe, read_request
from services.stateful.realtime.stream import Ending, Vitals, WebSocketStream
from services.stateful.user_experience import facts_in
from services.store import Store

OUTBOX_CAPACITY: Final = 512
"""Messages that may wait for one connection: more than `subscribed` brings, and than 4 KiB can ask for."""
MAX_SUBSCRIPTIONS: Final = 32
CLOSING_S: Final = 1.5
"""How long the end of a replica waits for its WebSockets to be closed in order."""

logger = logging.getLogger(__name__)


class StatefulWebSocketService:
    """All WebSockets of a replica. Fulfils `fault_tolerance.Holder` and `replica.Part`."""

    def __init__(self, settings: Settings, lookup: Lookup, store: Store, measures: RealtimeMeasures) -> None:
        self._settings, self._lookup, self._measures = settings, lookup, measures
        self._connections = Connections(settings.websockets)
        measures.count_connections_with(lambda: len(self._connections))
        self._channels = Channels(
            settings.boot, self._deliver, lambda name: bool(self._connections.on_channel(name))
        )
        self.broadcast = Broadcast(store, settings.boot, measures, self._channels.heard)
        # A signal handler may put into this queue; it may not take locks, as closing connections does.
        self._drain_asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._drainer = threading.Thread(target=self._drain_when_asked, name="ws-drain", daemon=True)
        self._draining = False

    def open(self) -> None:
        """Begin to hear other replicas."""
        self.broadcast.open()
        self._drainer.start()

    def drain(self) -> None:
        """Refuse new connections and close all others; safe in a signal handler."""
        self._draining = True
        self._drain_asked.put(True)

    def close(self) -> None:
        """Wait, not for long, until all connections are closed."""
        self.drain()
        self._drainer.join(CLOSING_S)
        if not self._connections.wait_empty(CLOSING_S):
            logger.warning("%d WebSockets did not close in time", len(self._connections))
        self.broadcast.close()

    def check_open(self) -> None:
        """Raises Overloaded when the replica is about to end."""
        if self._draining:
            raise Overloaded("this replica is about to end: connect again")

    def take(self, opened: socket.socket, session: Session, cookie: str) -> None:
        """Serve a connection, in a thread of its own, from now on."""
        now_s = time.time()
        connection = Connection(
            id=secrets.token_hex(8),
            user_id=session.user_id,
            session_key=session.key,
            cookie=cookie,
            outbox=Outbox(OUTBOX_CAPACITY),
            vitals=Vitals(now_s),
            preferences=dict(session.preferences),
        )
        if self._connections.add(connection):
            self._measures.opened.inc()
            self._welcome(connection, session)
            if self._draining:
                connection.outbox.end(Close(CLOSE_GOING_AWAY, "going away"))
        else:
            self._measures.refused.inc()
            connection.outbox.end(Close(CLOSE_TRY_LATER, f"{self._settings.websockets} are connected"))
        thread = threading.Thread(
            target=self._serve, args=(connection, opened), name=f"ws-{connection.id}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            # There is no HTTP answer any more that could say it: the client sees that it was cut.
            logger.exception("no thread for a WebSocket")
            connection.outbox.discard()
            opened.close()
            self._forget(connection, Ending.BROKEN)

    def connections_of(self, user_id: int) -> tuple[Connection, ...]:
        """The user's connections to this replica."""
        return self._connections.of_user(user_id)

    def held_sessions(self) -> frozenset[str]:
        return frozenset(connection.session_key for connection in self._connections.all())

    def session_gone(self, key: str, ended: Ended | None) -> None:
        code = {Ended.EXPIRED: ErrorCode.SESSION_EXPIRED, Ended.LOGGED_OUT: ErrorCode.UNAUTHENTICATED}
        for connection in self._connections.of_session(key):
            self._tell_lost(connection, code[ended] if ended else ErrorCode.SESSION_LOST)

    def session_moved(self, key: str) -> None:
        """Its WebSockets stay open; the next message of one fetches it (see `_received`)."""

    def _serve(self, connection: Connection, opened: socket.socket) -> None:
        stream = WebSocketStream(
            opened, connection.outbox, connection.vitals, ping_s=self._settings.websocket_ping_s
        )
        ending = Ending.BROKEN
        try:
            ending = stream.serve(lambda text: self._received(connection, text))
        finally:
            self._forget(connection, ending)

    def _forget(self, connection: Connection, ending: Ending) -> None:
        self._connections.remove(connection)
        self._measures.closed.labels(ending.value).inc()

    def _drain_when_asked(self) -> None:
        self._drain_asked.get()
        for connection in self._connections.all():
            connection.outbox.end(Close(CLOSE_GOING_AWAY, "going away"))

    def _welcome(self, connection: Connection, session: Session) -> None:
        name = OWN_CHANNEL.format(user_id=session.user_id)
        with self._channels.held(name) as channel:
            self._connections.subscribe(connection, name)
            connection.send(
                "welcome",
                connection=connection.id,
                pod=self._settings.pod,
                boot=self._settings.boot,
                user_id=session.user_id,
                **_version(session),
                connected_at=connection.vitals.connected_at_s,
                preferences=connection.preferences,
                **_shown(name, channel, connection.history_limit),
            )

    def _received(self, connection: Connection, text: str) -> None:
        """Answer one message. What goes wrong is the client's to know, and never ends the thread."""
        answered_id: str | None = None
        timeout_budget.begin()
        try:
            request = read_request(text)
            self._measures.received.labels(request.type).inc()
            answered_id = getattr(request, "id", None)
            session = self._lookup.load(connection.cookie)
            match request:
                case Subscribe():
                    self._subscribe(connection, request.channel)
                case Unsubscribe():
                    self._unsubscribe(connection, request.channel)
                case Publish():
                    self._publish(connection, request)
                case Chat():
                    self._chat(connection, request, session)
                case Prefer():
                    self._prefer(connection, request)
        except (SessionLost, SessionExpired, Unauthenticated) as refusal:
            self._tell_lost(connection, refusal.code)
        except Refusal as refusal:
            _refuse(connection, refusal.code, str(refusal), answered_id)
        except Exception:
            logger.exception("a WebSocket message failed")
            _refuse(connection, ErrorCode.INTERNAL, "something broke here", answered_id)

    def _subscribe(self, connection: Connection, name: str) -> None:
        own = OWN_CHANNEL.format(user_id=connection.user_id)
        if name.startswith("user:") and name != own:
            raise BadRequest("channel: only its user subscribes to it")
        if name not in connection.subscriptions and len(connection.subscriptions) >= MAX_SUBSCRIPTIONS:
            raise BadRequest(f"channel: a connection subscribes to at most {MAX_SUBSCRIPTIONS}")
        with self._channels.held(name) as channel:
            self._connections.subscribe(connection, name)
            connection.send("subscribed", **_shown(name, channel, connection.history_limit))

    def _unsubscribe(self, connection: Connection, name: str) -> None:
        if name == OWN_CHANNEL.format(user_id=connection.user_id):
            raise BadRequest("channel: messages to its user reach every connection")
        self._connections.unsubscribe(connection, name)
        connection.send("unsubscribed", channel=name)

    def _publish(self, connection: Connection, request: Publish) -> None:
        message, forwarded = self._channels.publish(
            request.channel, connection.user_id, request.text, time.time(), self.broadcast.send
        )
        connection.send(
            "published",
            channel=message.channel,
            stream=message.stream,
            number=message.number,
            reach=Reach.EVERYWHERE if forwarded else Reach.HERE,
            id=request.id,
        )

    def _chat(self, connection: Connection, request: Chat, session: Session) -> None:
        said = list(connection.history)
        facts = facts_in([*said, request.text])
        before = f"before this you said {said[-1]!r} here" if said else "this connection is new"
        connection.history.append(request.text)
        connection.chats += 1
        connection.send(
            "reply",
            text=f"{facts.name or session.name}, {before}. I know: {facts}.",
            count=connection.chats,
            remembered=len(said),
            **_version(session),
            id=request.id,
        )

    def _prefer(self, connection: Connection, request: Prefer) -> None:
        preferences = {**connection.preferences, **request.preferences}
        if len(preferences) > MAX_PREFERENCES:
            raise BadRequest(f"preferences: a connection can have at most {MAX_PREFERENCES} of them")
        connection.preferences = preferences
        connection.send("preferences", preferences=preferences)

    def _deliver(self, message: Message) -> None:
        fields = _message(message)
        for connection in self._connections.on_channel(message.channel):
            self._measures.delivered.inc()
            connection.send("message", **fields)

    def _tell_lost(self, connection: Connection, code: ErrorCode) -> None:
        connection.send("session_lost", code=code)
        if connection.outbox.end(Close(CLOSE_SESSION_LOST, code)):
            self._measures.told_lost.inc()


def _version(session: Session) -> dict[str, Any]:
    degraded = {"degraded": True} if session.degraded else {}
    return {"version": session.version, **degraded}


def _shown(name: str, channel: Channel, limit: int) -> dict[str, Any]:
    return {
        "channel": name,
        "messages": [_message(message) for message in channel.recent(limit)],
        "positions": dict(channel.positions),
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "channel": message.channel,
        "stream": message.stream,
        "number": message.number,
        "from": message.sender,
        "text": message.text,
        "at": message.at_s,
    }


def _refuse(connection: Connection, code: ErrorCode, message: str, answered_id: str | None) -> None:
    more = {} if answered_id is None else {"id": answered_id}
    connection.send("error", code=code, message=message, **more)
