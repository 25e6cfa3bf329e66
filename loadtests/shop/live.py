"""The live side of a shopper: WebSockets that stay open, what is said over them, and what comes.

A shopper who has it keeps `CONNECTIONS` of them open to the session, as somebody does with two tabs.
Each listens to the shopper's own channel and to that of a few neighbours. Between two requests the
shopper may chat, write to itself or write to the neighbours; what comes is read in the background
and held to `ledger.connections`. How many of the shoppers have it, and what they do, is drawn from the
shopper's seed, apart from the journey.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import gevent
from gevent.event import Event

from statefall.ledger.realtime import RealtimeCounter
from statefall.records.clock import Instant
from statefall.records.events import ConnectionLost, Home, MessageLost
from statefall.records.load import LoadConfig, Shopper
from statefall.records.verdicts import ConnectionVerdict

from .client import Client, Target
from .contract import OWN_CHANNEL, Reach
from .ledger.answer import Answer, Replica, read_answer, read_json
from .ledger.connections import Connection, Shown, UserConnections
from .ledger.inbox import MessageFinding
from .live_client import ConnectionEnd, HandshakeRefused, WebSocket, open_websocket

CONNECTIONS: Final = 2
NEIGHBOURS: Final = 10
"""Shoppers who share a channel."""
ACTS: Final = (("chat", 0.25), ("own", 0.15), ("neighbours", 0.1))
"""What a shopper does over a WebSocket after a request, and how often; else nothing."""
SETTLE_S: Final = 2.0
"""How long a message may take to another replica's connections before it counts as lost."""


def has_websockets(config: LoadConfig, shopper: Shopper) -> bool:
    """Whether this one of the shoppers keeps WebSockets open."""
    return random.Random(f"{shopper.seed}/websocket").random() < config.websocket_share


@dataclass(frozen=True, slots=True)
class LiveFinding:
    """A connection or a message that was lost."""

    connection: Connection
    what: ConnectionVerdict | MessageFinding
    evidence: str
    code: int | None = None


def live_event(
    shopper: Shopper, session: str | None, finding: LiveFinding, cell: str, phase: str, at: Instant
) -> ConnectionLost | MessageLost:
    """A lost connection or message as an event of the run. The session may be over already."""
    what, connection = finding.what, finding.connection
    home = Home(connection.replica.pod, connection.replica.boot, round(connection.opened_s, 6))
    if not isinstance(what, MessageFinding):
        return ConnectionLost(
            at=at,
            cell=cell,
            session=session,
            shopper=shopper.index,
            user_id=shopper.user_id,
            connection=connection.name,
            verdict=what,
            code=finding.code,
            evidence=finding.evidence,
            phase=phase,
            home=home,
        )
    return MessageLost(
        at=at,
        cell=cell,
        session=session,
        shopper=shopper.index,
        user_id=shopper.user_id,
        connection=connection.name,
        verdict=what.verdict,
        channel=what.channel,
        stream=what.stream,
        first=what.first,
        last=what.last,
        evidence=finding.evidence,
        phase=phase,
        home=home,
    )


@dataclass(slots=True, eq=False)
class _Open:
    connection: Connection
    socket: WebSocket
    reader: gevent.Greenlet[..., Any] | None = None
    audiences: dict[str, tuple[Connection, ...]] = field(default_factory=dict)
    """Publications without an answer yet, and which connections were subscribed when they were sent."""
    settled: Event = field(default_factory=Event)


class Live:
    """All WebSockets of one shopper."""

    def __init__(
        self, config: LoadConfig, shopper: Shopper, client: Client, counter: RealtimeCounter,
        found: Callable[[LiveFinding], None],
    ) -> None:  # fmt: skip
        self._target, self._timeout_s = Target.of(config.target), config.timeout_s
        self._client, self._counter, self._found = client, counter, found
        self._random = random.Random(f"{shopper.seed}/live")
        self._neighbours = f"neighbours-{shopper.index // NEIGHBOURS}"
        self._own = OWN_CHANNEL.format(user_id=shopper.user_id)
        self._connections = UserConnections(counter, self._message_found)
        self._open: list[_Open] = []
        self._numbers = count(1)
        self._defects: list[BaseException] = []

    def keep_open(self) -> Answer | None:
        """Open what is missing; an answer of the service that refused is given back, to be held to it."""
        if self._defects:
            raise self._defects[0]  # a reader of ours broke down: the shopper does, and it is seen
        while len(self._open) < CONNECTIONS:
            outcome = open_websocket(self._target, self._client.cookies, self._timeout_s)
            if isinstance(outcome, HandshakeRefused):
                self._counter.add("connections_refused")
                if outcome.status is None:
                    return None
                return read_answer(outcome.status, outcome.headers, read_json(outcome.body))
            if not self._begin(outcome):
                return None
        return None

    def act(self) -> None:
        """Maybe say something over one of the connections."""
        if not self._open:
            return
        draw, index = self._random.random(), self._random.randrange(CONNECTIONS)
        speaker = self._open[index % len(self._open)]
        for what, share in ACTS:
            if draw < share:
                self._say(speaker, what)
                return
            draw -= share

    def settle(self) -> None:
        """Wait until what was on its way has come, and judge what has not."""
        for each in self._open:
            each.settled.clear()
            each.socket.send({"type": "prefer", "preferences": {}})
        gevent.wait([each.settled for each in self._open], timeout=SETTLE_S)
        self._connections.settle(time.monotonic() - SETTLE_S)

    def close(self) -> None:
        """Close all connections: the shopper leaves, or has no session any more."""
        for each in tuple(self._open):
            self._end(each, ConnectionVerdict.KEPT)
            each.socket.close()
            if each.reader is not None:
                each.reader.kill()

    def _begin(self, socket: WebSocket) -> bool:
        if socket.set_cookie is not None:
            self._client.keep_cookie(socket.set_cookie)
        welcome = socket.receive()
        if isinstance(welcome, ConnectionEnd):
            # Closed at once: the replica has no room, or is about to end.
            self._counter.add("connections_refused")
            socket.close()
            return False
        replica = Replica(str(welcome.get("pod")), str(welcome.get("boot")))
        connection = Connection(str(welcome.get("connection")), replica, time.monotonic())
        opened = _Open(connection, socket)
        self._open.append(opened)
        self._connections.opened(connection)
        self._connections.subscribed(connection, Shown.read(welcome))
        socket.send({"type": "subscribe", "channel": self._neighbours})
        opened.reader = gevent.spawn(self._read, opened)
        opened.reader.link_exception(self._broke_down)
        return True

    def _broke_down(self, reader: gevent.Greenlet[..., Any]) -> None:
        assert reader.exception is not None
        self._defects.append(reader.exception)

    def _say(self, speaker: _Open, what: str) -> None:
        number = next(self._numbers)
        if what == "chat":
            speaker.socket.send({"type": "chat", "text": f"this is line {number}"})
            return
        channel = self._own if what == "own" else self._neighbours
        # Who is subscribed now is owed the message, wherever the connection leads to.
        listening = tuple(each.connection for each in self._open if each.connection.inbox.listens_to(channel))
        speaker.audiences[str(number)] = listening
        speaker.socket.send(
            {"type": "publish", "channel": channel, "text": f"news {number}", "id": str(number)}
        )

    def _read(self, opened: _Open) -> None:
        while True:
            message = opened.socket.receive()
            if isinstance(message, ConnectionEnd):
                self._ended(opened, message)
                return
            try:
                take = self._read_message(opened, message)
            except (KeyError, TypeError, AttributeError) as error:
                self._ended(opened, ConnectionEnd(None, f"sent a message that cannot be read: {error!r}"))
                return
            take()

    def _read_message(self, opened: _Open, message: Mapping[str, Any]) -> Callable[[], object]:
        """What is to be done about a message. Raises KeyError, TypeError or AttributeError for garbage."""
        connection, connections = opened.connection, self._connections
        match message.get("type"):
            case "message":
                position = message["channel"], message["stream"], int(message["number"])
                return lambda: connections.received(connection, *position)
            case "subscribed":
                shown = Shown.read(message)
                return lambda: connections.subscribed(connection, shown)
            case "published":
                position = message["channel"], message["stream"], int(message["number"])
                audience = opened.audiences.pop(message["id"], ())
                if message["reach"] == Reach.HERE:  # the service says that other replicas do not get it
                    audience = tuple(other for other in audience if other.replica == connection.replica)
                return lambda: connections.published(audience, *position, time.monotonic())
            case "reply":
                count, remembered = int(message["count"]), int(message["remembered"])
                return lambda: connections.chatted(connection, count, remembered)
            case "preferences":
                return opened.settled.set
            case "session_lost":
                return lambda: self._counter.add("told_lost")
            case _:
                return lambda: None

    def _ended(self, opened: _Open, ended: ConnectionEnd) -> None:
        verdict = ConnectionVerdict.BROKEN if ended.code is None else ConnectionVerdict.TOLD
        if self._end(opened, verdict):
            evidence = f"closed with {ended.code}: {ended.reason}" if ended.code else ended.reason
            self._found(LiveFinding(opened.connection, verdict, evidence, ended.code))
        opened.socket.close()

    def _end(self, opened: _Open, verdict: ConnectionVerdict) -> bool:
        opened.settled.set()
        if opened in self._open:
            self._open.remove(opened)
        return self._connections.closed(opened.connection, verdict)

    def _message_found(self, connection: Connection, finding: MessageFinding) -> None:
        self._found(LiveFinding(connection, finding, finding.evidence))
