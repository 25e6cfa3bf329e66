"""What a journey asked and what came back: a request, its answer, or no answer. No sockets here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from statefall.records.errors import StatefallError
from statefall.records.verdicts import RequestFailure


class UnreadableAnswer(StatefallError):
    """An answer is not what the journey takes it for: not JSON, or without the form that it looks for."""


class Headers(Mapping[str, str]):
    """Header fields by their names in any case. Of two with one name, the last."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = {name.lower(): value for name, value in fields}

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, as it is sent once."""

    method: str
    url: str
    """As users see it: with the service's own host, the base path and the query."""
    target: str
    """Path and query as they stand in the request line."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Its own, without cookies and those that every request has."""
    body: bytes | None = None
    hop: int = 0
    """How many redirects led to it; 0: the journey asked for it."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer that arrived whole, its body decoded."""

    status: int
    headers: Headers
    body: bytes
    request: HttpRequest
    """What it answers: after redirects, the last request."""
    set_cookies: tuple[str, ...] = ()
    hops: tuple[HttpAnswer, ...] = ()
    """The redirects that led to it, first to last."""
    elsewhere: str = ""
    """The Location of a redirect that was not followed, as it leads to another origin or is no URL."""

    @property
    def url(self) -> str:
        """Where it came from, after redirects."""
        return self.request.url

    @property
    def text(self) -> str:
        """The body as text; what is not of its charset is replaced."""
        kind = self.headers.get("content-type", "")
        named = kind.lower().partition("charset=")[2].partition(";")[0].strip("\"' ")
        try:
            return self.body.decode(named or "utf-8", errors="replace")
        except (LookupError, ValueError):
            return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON. Raises UnreadableAnswer."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise UnreadableAnswer(
                f"{self.request.method} {self.request.target} answered {self.status} with no JSON: "
                f"{self.body[:60]!r}"
            ) from None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request did not end in a whole answer."""

    sent: bool
    """False: nothing left this process, so nothing can have been applied."""
    reason: str
    hops: tuple[HttpAnswer, ...] = ()
    """The redirects before it. Each was answered, whatever became of the request that it led to."""
    circular: bool = False
    """There were too many of them."""
    failure: RequestFailure = RequestFailure.BROKEN
