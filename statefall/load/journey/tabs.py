"""The tabs of one shopper's browser: a connection each, the same cookies, and the session's WebSockets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from statefall.load.answers import HttpAnswer, HttpRequest, NoAnswer
from statefall.load.context import Sample
from statefall.load.cookies import CookieJar
from statefall.load.http import HttpClient, Send
from statefall.load.journey.replies import TaskEnded
from statefall.load.journey.sockets import Socket
from statefall.records.contract import OPERATION_HEADER
from statefall.records.verdicts import RequestFailure

if TYPE_CHECKING:
    from statefall.load.journey.exchanges import Exchanges


class AnyTab(Protocol):
    """What asks for a shopper: a tab of the journey's own client, or a client of Locust's."""

    operation: str

    def ask_again(self, page: HttpRequest) -> HttpAnswer | NoAnswer: ...

    def reload(self, page: HttpRequest) -> None: ...

    def hang_up(self) -> None: ...

    def close(self) -> None: ...


class Tab:
    """One tab of a shopper's browser: a connection of its own."""

    def __init__(self, exchanges: Exchanges, cookies: CookieJar) -> None:
        context = exchanges.context
        self._exchanges = exchanges
        self.client = HttpClient(
            context.site, context.load.config.timeout_s, cookies=cookies, exchange=self._count
        )
        self.operation = ""
        """Of the last request."""
        self.name: str | None = None
        """Under which the statistics have the next request."""
        self._sockets: dict[str, Socket] = {}

    def socket(self, path: str, *, history: bool) -> Socket:
        """The open one of the session to this path; opened where there is none. Raises TaskEnded."""
        session, socket = self._exchanges.session, self._sockets.get(path)
        if session is None:
            raise TaskEnded
        if socket is None or socket.session is not session:
            self._sockets[path] = socket = Socket(self._exchanges, self, path, history=history)
        if not socket.is_open:
            socket.open()
        return socket

    def hang_up(self) -> None:
        """Close its WebSockets; they are opened again when the journey wants them."""
        for socket in self._sockets.values():
            socket.close()

    def _count(self, request: HttpRequest, send: Send) -> HttpAnswer | NoAnswer:
        """Send once, count once. Also when the greenlet is killed in the middle."""
        context = self._exchanges.context.load
        recorder = context.recorder
        self.operation = self._exchanges.next_operation()
        named = self.name if self.name and not request.hop else request.target.partition("?")[0]
        what = named, request.method, request.target
        phase = recorder.scheduled()
        began_wall_s, began_s = time.time(), time.perf_counter()
        answer: HttpAnswer | NoAnswer | None = None
        try:
            answer = send({OPERATION_HEADER: self.operation})
        finally:
            took_s = time.perf_counter() - began_s
            if self.client.sent:
                recorder.operations += 1
            elif answer is None:
                recorder.dropped(phase)
        if isinstance(answer, NoAnswer):
            recorder.failed(phase, took_s, answer.failure)
            context.sampled(Sample(*what, began_wall_s, took_s, 0, answer.reason))
            return answer
        if answer.status >= 500:
            recorder.failed(phase, took_s, RequestFailure.of_status(answer.status))
        else:
            recorder.completed(phase, took_s)
        failure = str(answer.status) if answer.status >= 400 else None
        context.sampled(Sample(*what, began_wall_s, took_s, len(answer.body), failure))
        return answer

    def ask_again(self, page: HttpRequest) -> HttpAnswer | NoAnswer:
        """The same page, as a reload asks for it."""
        return self.client.request("GET", page.url, headers=page.headers)

    def reload(self, page: HttpRequest) -> None:
        """Ask for a page as the journey would."""
        self._exchanges.request(self, "GET", page.url, headers=page.headers)

    def close(self) -> None:
        """Drop its connections."""
        self.hang_up()
        self.client.close()
