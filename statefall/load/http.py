"""The HTTP client of a user's own journey: redirects, cookies, forms, https; one send per request.

What is promised of each request is in `connection`. A redirect is followed by a request of its own,
which the caller counts and numbers through its hook.
"""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import urlencode, urljoin

from statefall.load.answers import Headers, HttpAnswer, HttpRequest, NoAnswer
from statefall.load.connection import HttpConnection
from statefall.load.cookies import CookieJar, Place
from statefall.load.decoding import ACCEPTED, decoded
from statefall.load.forms import Form
from statefall.load.site import Site, checked_headers, checked_method, escaped
from statefall.load.wire import Malformed, request_bytes
from statefall.records.errors import InputError

MOST_REDIRECTS: Final = 10
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OF_A_BODY: Final = frozenset({"content-type", "content-encoding", "content-language", "content-location"})

Fields = Mapping[str, object]
"""Names and values of a form or a query; a list is a name that comes several times."""
Send = Callable[[Mapping[str, str]], HttpAnswer | NoAnswer]
"""Sends the request, once, with these headers besides its own."""
Exchange = Callable[[HttpRequest, Send], HttpAnswer | NoAnswer]
"""What the caller does around each request, redirects among them: numbers it, sends it, counts it."""


def _plainly(_: HttpRequest, send: Send) -> HttpAnswer | NoAnswer:
    return send({})


class HttpClient:
    """One tab of one browser: a connection of its own, and cookies that tabs may share.

    Not for use by two threads or greenlets at once.
    """

    def __init__(
        self, site: Site, timeout_s: float, *, cookies: CookieJar | None = None, exchange: Exchange = _plainly
    ) -> None:
        """`timeout_s` bounds each request, from the connect to the last byte of the answer."""
        self.cookies = CookieJar() if cookies is None else cookies
        self._site = site
        self._exchange = exchange
        self._connection = HttpConnection(site.host, site.port, timeout_s, site.tls, site.hostname)

    @property
    def sent(self) -> bool:
        """Whether the current, or else the last request reached the socket."""
        return self._connection.sent

    def close(self) -> None:
        """Drop the connection; the next request opens another one."""
        self._connection.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: Fields | bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Fields | None = None,
        allow_redirects: bool = True,
    ) -> HttpAnswer | NoAnswer:
        """Ask, and follow redirects as a browser does; one that leads to another origin is the answer.

        `path`: below the base path, or a whole URL of this site. `data`: a form's fields, or a body as it
        is. Raises InputError for what cannot be sent.
        """
        method = checked_method(method)
        body, kind = _body(json, data)
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        own = {**kind, **(headers or {})}
        checked_headers(own, "headers")
        target = self._target(path, params)
        if target is None:
            return NoAnswer(sent=False, reason=f"another origin than {self._site.origin}: {path[:80]}")
        request = HttpRequest(method, self._site.origin + target, target, own, body)
        return self._follow(request) if allow_redirects else self._once(request)

    def submit(self, form: Form, changes: Fields | None = None) -> HttpAnswer | NoAnswer:
        """Send a form with what was typed into it, as its button would."""
        fields = {**form.fields, **(changes or {})}
        if form.method == "POST":
            return self.request("POST", form.action, data=fields)
        return self.request("GET", form.action.partition("?")[0], params=fields)

    def place(self, target: str) -> Place:
        """Where a request to this path goes, as cookies see it."""
        return Place(self._site.hostname, target.partition("?")[0], self._site.secure)

    def _follow(self, request: HttpRequest) -> HttpAnswer | NoAnswer:
        hops: list[HttpAnswer] = []
        while True:
            answer = self._once(request)
            location = _location(answer) if isinstance(answer, HttpAnswer) else None
            if isinstance(answer, NoAnswer) or location is None:
                return replace(answer, hops=tuple(hops))
            redirected = self._redirected(answer, location)
            if redirected is None:
                return replace(answer, hops=tuple(hops), elsewhere=location)
            hops.append(answer)
            if len(hops) > MOST_REDIRECTS:
                reason = f"redirected more than {MOST_REDIRECTS} times"
                return NoAnswer(sent=True, reason=reason, hops=tuple(hops), circular=True)
            request = redirected

    def _once(self, request: HttpRequest) -> HttpAnswer | NoAnswer:
        self._connection.sent = False
        return self._exchange(request, partial(self._send, request))

    def _redirected(self, answer: HttpAnswer, location: str) -> HttpRequest | None:
        """The request that a redirect leads to, by the rules of the Fetch standard; None: elsewhere."""
        request = answer.request
        try:
            target = self._site.target_of(urljoin(request.url, escaped(location, "latin-1")))
        except ValueError:
            return None  # it is no URL
        if target is None:
            return None
        method, body, own = request.method, request.body, request.headers
        if (answer.status == 303 and method != "HEAD") or (answer.status in (301, 302) and method == "POST"):
            method, body = "GET", None
            own = {name: value for name, value in own.items() if name.lower() not in _OF_A_BODY}
        return HttpRequest(method, self._site.origin + target, target, own, body, request.hop + 1)

    def _send(self, request: HttpRequest, headers: Mapping[str, str]) -> HttpAnswer | NoAnswer:
        place = self.place(request.target)
        lines = self._lines(request, headers, self.cookies.header(place, time.time()))
        message = request_bytes(request.method, request.target, lines, request.body)
        response = self._connection.send(message, bodiless=request.method == "HEAD")
        if isinstance(response, NoAnswer):
            return response
        self.cookies.keep(place, response.set_cookies, time.time())
        try:
            body = decoded(response.body, response.headers.get("content-encoding", ""))
        except Malformed as error:
            return NoAnswer(sent=True, reason=f"broken answer: {error}")
        return HttpAnswer(
            response.status, Headers(response.headers.items()), body, request, response.set_cookies
        )

    def _lines(
        self, request: HttpRequest, headers: Mapping[str, str], cookie: str | None
    ) -> list[tuple[str, str]]:
        """The header lines: what is said of the one request goes before what is said of all."""
        lines = [
            ("Host", self._site.authority),
            ("User-Agent", "statefall"),
            ("Accept", "*/*"),
            ("Accept-Encoding", ACCEPTED),
        ]
        if request.method not in SAFE:
            lines.append(("Origin", self._site.origin))  # what guards against forged requests asks for it
        if cookie is not None:
            lines.append(("Cookie", cookie))
        merged = {name.lower(): (name, value) for name, value in lines}
        for more in (self._site.headers, request.headers, headers):
            merged.update((name.lower(), (name, value)) for name, value in more.items())
        return list(merged.values())

    def _target(self, path: str, params: Fields | None) -> str | None:
        if path.startswith(("http://", "https://")):
            target = self._site.target_of(path)
        else:
            below = path if path.startswith(("/", "?")) else f"/{path}"
            target = escaped(self._site.base_path + below.partition("#")[0])
            target = target if target.startswith("/") else f"/{target}"
        if target is None or not params:
            return target
        return f"{target}{'&' if '?' in target else '?'}{_encoded(params)}"


def _encoded(fields: Fields) -> str:
    return urlencode(fields, doseq=True, errors="replace")


def _location(answer: HttpAnswer) -> str | None:
    """Where a redirect leads; None: the answer is none."""
    return answer.headers.get("location") if answer.status in REDIRECTS else None


def _body(json: object, data: Fields | bytes | str | None) -> tuple[bytes | None, dict[str, str]]:
    """The body, and the header that says what it is."""
    if json is not None and data is not None:
        raise InputError("a request has one body: json or data", where="request")
    if json is not None:
        try:
            body = json_format.dumps(json, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"json cannot be sent: {error}", where="request") from None
        return body, {"Content-Type": "application/json"}
    if isinstance(data, Mapping):
        return _encoded(data).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    return (data.encode(errors="replace") if isinstance(data, str) else data), {}
