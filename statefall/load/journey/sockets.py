"""A shopper's WebSocket: what it sends is declared, and what it receives is compared, as with requests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.event import Event

from statefall.ledger.kinds.promise import Write, WriteState
from statefall.load.answers import HttpAnswer, HttpRequest, NoAnswer, UnreadableAnswer
from statefall.load.journey.replies import NoReply, Reply, TaskEnded
from statefall.load.site import escaped
from statefall.load.text_socket import TextSocket, open_text_socket
from statefall.records.contract import OPERATION_HEADER
from statefall.records.verdicts import RequestFailure

if TYPE_CHECKING:
    from statefall.ledger.journey_session import JourneySession
    from statefall.load.journey.exchanges import Exchanges, Writes
    from statefall.load.journey.tabs import Tab

WEBSOCKET: Final = "WEBSOCKET"
"""In the place of a method."""
Holds = Callable[[Any], object]
"""Whether a message is the one."""


class Socket:
    """One WebSocket of a session, opened again when it ended."""

    def __init__(self, exchanges: Exchanges, tab: Tab, path: str, *, history: bool) -> None:
        self._exchanges, self._tab, self._path, self._history = exchanges, tab, path, history
        self.session: JourneySession | None = exchanges.session
        self._opened: TextSocket | None = None
        self._reader: gevent.Greenlet[..., Any] | None = None
        self._reply: Reply | None = None
        self._received: list[Any] = []
        self._news = Event()

    # -- what the journey asks

    @property
    def messages(self) -> Sequence[Any]:
        """What came so far, oldest first: documents, or texts where they are no JSON. `shows` compares it.

        With `history`, of this connection; else of all connections of the session.
        """
        self._refuse_unless_open()
        session, reply = self.session, self._reply
        if session is None or reply is None or self._exchanges.session is not session:
            raise TaskEnded
        now_s = time.monotonic()
        read = session.ask(at_s=now_s, what=f"MESSAGES {self._path}")
        session.answered(read, reply.status, WriteState.UNKNOWN, reply.replica, now_s)
        self._exchanges.touch(Reply(reply.answer, reply.replica, read, self._exchanges.touch))
        return tuple(self._received)

    def wait(self, until: Holds, timeout_s: float | None = None) -> Any:
        """The first message that is the one, of those that came and those to come.

        Raises NoReply where the connection ends before, or none comes in time (the request timeout).
        """
        return self._await(0, until, timeout_s)

    def send(
        self,
        message: object,
        *,
        writes: Writes = None,
        acknowledged: Holds | None = None,
        refused: Holds | None = None,
        name: str | None = None,
    ) -> Any:
        """Send a text, or a document as JSON, and wait for the message that acknowledges or refuses it.

        Returns that message. `writes`: what is promised by the acknowledgement; without `acknowledged` its
        outcome is unknown. Raises NoReply as `wait` does; what was sent may have been applied then.
        """
        declared = (writes,) if isinstance(writes, Write) else tuple(writes or ())
        self._exchanges.may_ask(declared)
        self._refuse_unless_open()
        session, opened, reply = self.session, self._opened, self._reply
        assert opened is not None
        if session is None or reply is None or self._exchanges.session is not session:
            raise TaskEnded
        text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))
        outcome, answered = WriteState.UNKNOWN, False
        read = session.ask(*declared, at_s=time.monotonic(), what=f"MESSAGE {self._path}")
        began_wall_s, began_s, since = time.time(), time.perf_counter(), len(self._received)
        try:
            if not opened.send(text):
                raise self._no_reply("the connection is over")
            if acknowledged is None and refused is None:
                return None
            answer = self._await(since, lambda m: _is(acknowledged, m) or _is(refused, m))
            answered = True
            outcome = WriteState.REFUSED if _is(refused, answer) else WriteState.ACKNOWLEDGED
            return answer
        finally:
            now_s = time.monotonic()
            if answered:
                session.answered(read, reply.status, outcome, reply.replica, now_s)
            else:
                session.unanswered(read, "nobody acknowledged it", now_s, sent=True)
            if acknowledged is not None or refused is not None:
                failure = None if answered else "no answer"
                self._sampled("MESSAGE", name, began_wall_s, time.perf_counter() - began_s, failure)

    # -- the connection

    @property
    def is_open(self) -> bool:
        """Whether nothing has ended it yet."""
        return self._opened is not None

    def open(self) -> None:
        """Send the handshake once. An answer that does not know the session counts as any other does."""
        self.close()
        if self._history:
            self._received.clear()
        reply = self._exchanges.exchange(self._tab, WEBSOCKET, self._path, self._shake_hands, None)
        if self._opened is None or self._exchanges.session is not self.session:
            self._exchanges.unanswered = True
            raise UnreadableAnswer(f"{self._path} answered {reply.status} in the place of a WebSocket")
        self._reply = reply
        self._reader = gevent.spawn(self._read_on, self._opened)

    def close(self) -> None:
        """Close in order."""
        opened, self._opened = self._opened, None
        if self._reader is not None:
            self._reader.kill()
            self._reader = None
        if opened is not None:
            opened.close()

    def _shake_hands(self) -> HttpAnswer | NoAnswer:
        context, tab = self._exchanges.context, self._tab
        site, recorder = context.site, context.load.recorder
        below = self._path if self._path.startswith("/") else f"/{self._path}"
        target = escaped(site.base_path + below)
        request = HttpRequest(WEBSOCKET, site.origin + target, target)
        place = tab.client.place(target)
        tab.operation = self._exchanges.next_operation()
        phase, began_wall_s, began_s = recorder.scheduled(), time.time(), time.perf_counter()
        recorder.operations += 1
        self._opened, answer = open_text_socket(
            site,
            request,
            tab.client.cookies.header(place, began_wall_s),
            {OPERATION_HEADER: tab.operation},
            context.load.config.timeout_s,
        )
        took_s = time.perf_counter() - began_s
        if isinstance(answer, NoAnswer):
            recorder.failed(phase, took_s, answer.failure)
            failure: str | None = answer.reason
        else:
            tab.client.cookies.keep(place, answer.set_cookies, time.time())
            failure = str(answer.status) if answer.status >= 400 else None
            if answer.status >= 500:
                recorder.failed(phase, took_s, RequestFailure.of_status(answer.status))
            else:
                recorder.completed(phase, took_s)
        self._sampled(WEBSOCKET, None, began_wall_s, took_s, failure)
        return answer

    def _read_on(self, opened: TextSocket) -> None:
        while (text := opened.receive()) is not None:
            self._received.append(_document(text))
            self._news.set()
        if self._opened is opened:
            self._opened = None
        opened.close()
        self._news.set()

    def _await(self, since: int, holds: Holds, timeout_s: float | None = None) -> Any:
        limit_s = self._exchanges.context.load.config.timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit_s
        while True:
            self._news.clear()
            for message in self._received[since:]:
                if holds(message):
                    return message
            since = len(self._received)
            self._refuse_unless_open()
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                self.close()  # its address may be silent for ever
                raise self._no_reply(f"no such message in {limit_s:g} s")
            self._news.wait(left_s)

    def _refuse_unless_open(self) -> None:
        if self._opened is None:
            raise self._no_reply("the connection is over")

    def _no_reply(self, reason: str) -> NoReply:
        self._exchanges.unanswered = self._exchanges.failed = True
        return NoReply(reason)

    def _sampled(
        self, kind: str, name: str | None, began_wall_s: float, took_s: float, failure: str | None
    ) -> None:
        self._exchanges.context.environment.events.request.fire(
            request_type=kind,
            name=name or self._path,
            response_time=took_s * 1000,
            response_length=0,
            exception=RuntimeError(failure) if failure else None,
            context={},
            start_time=began_wall_s,
            url=self._path,
        )


def _is(holds: Holds | None, message: Any) -> bool:
    return holds is not None and bool(holds(message))


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
