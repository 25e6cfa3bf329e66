"""What a journey gets for a request: an answer that arrived whole and below 500, or the end of its task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statefall.ledger.kinds.promise import Read
from statefall.load.answers import Headers, HttpAnswer, HttpRequest
from statefall.load.forms import Form
from statefall.load.forms import form as form_of
from statefall.records.events import Replica


class TaskEnded(Exception):
    """The task cannot go on: the session is over, or a request has no answer. It ends without a word."""


class NoReply(TaskEnded):
    """No whole answer came, or one of 500 and above. Nothing was shown; a write may have been applied."""


class Reply:
    """An answer. The one whose content was read last is what `shows` compares."""

    def __init__(
        self, answer: HttpAnswer, replica: Replica, read: Read | None, touched: Callable[[Reply], None]
    ) -> None:
        self.replica = replica
        """Who answered, as far as anybody says."""
        self.answer, self.read, self._touched = answer, read, touched

    @property
    def status(self) -> int:
        """Of the last answer, after redirects."""
        return self.answer.status

    @property
    def url(self) -> str:
        """Where it came from, after redirects."""
        return self.answer.url

    @property
    def hops(self) -> tuple[HttpAnswer, ...]:
        """The redirects that led to it, first to last."""
        return self.answer.hops

    @property
    def asked(self) -> HttpRequest:
        """What the journey asked for, before redirects."""
        return (self.hops[0] if self.hops else self.answer).request

    @property
    def elsewhere(self) -> str:
        """Where a redirect to another origin would lead; it is not followed, and shows nothing."""
        return self.answer.elsewhere

    @property
    def method(self) -> str:
        """Of the request that it answers."""
        return self.answer.request.method

    @property
    def headers(self) -> Headers:
        """By their names in any case."""
        return self._read().headers

    @property
    def body(self) -> bytes:
        """Decoded."""
        return self._read().body

    @property
    def text(self) -> str:
        """The body as text."""
        return self._read().text

    def json(self) -> Any:
        """The body as JSON. Ends the task where it is none."""
        return self._read().json()

    def form(self, which: str | int | None = None) -> Form:
        """A form of the page: by id, name, action or place; else the only one, or the only one posted."""
        return form_of(self._read(), which)

    def _read(self) -> HttpAnswer:
        self._touched(self)
        return self.answer

    def __repr__(self) -> str:
        return f"<Reply {self.status} {self.method} {self.url}>"
