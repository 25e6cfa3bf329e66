"""The shoppers' HTTP client: one keep-alive connection, cookies, and one send per request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from statefall.load import HttpConnection, NoAnswer, Response, request_bytes
from statefall.records.errors import InputError


@dataclass(frozen=True, slots=True)
class Target:
    """Where the service is: host, port and a path in front of the contract's paths."""

    host: str
    port: int
    prefix: str = ""

    @classmethod
    def of(cls, url: str) -> Target:
        """Raises InputError when the URL is not one of plain HTTP."""
        hint = "for example http://127.0.0.1:8080"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InputError(f"{url!r} is not a URL: {error}", where="target", hint=hint) from None
        if parts.scheme != "http" or not parts.hostname or parts.query or parts.fragment:
            raise InputError(f"{url!r} is not a plain HTTP base URL", where="target", hint=hint)
        return cls(parts.hostname, 80 if port is None else port, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Client:
    """One user agent. Not for use by two threads or greenlets at once."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        """`timeout_s` bounds a whole request, from the connect to the last byte of the answer."""
        self.cookies: dict[str, str] = {}
        self.bearer: str | None = None
        self._target = target
        self._connection = HttpConnection(target.host, target.port, timeout_s)

    @property
    def sent(self) -> bool:
        """Whether the current, or else the last request reached the socket."""
        return self._connection.sent

    def close(self) -> None:
        """Drop the connection; the next request opens another one."""
        self._connection.close()

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] = {}
    ) -> Response | NoAnswer:
        """Send one request, at most once, and wait for its answer."""
        self._connection.sent = False
        response = self._connection.send(self._message(method, path, body, headers))
        if isinstance(response, Response):
            for cookie in response.set_cookies:
                self.keep_cookie(cookie)
        return response

    def _message(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> bytes:
        lines = [("Host", self._target.authority), ("Accept", "application/json"), *headers.items()]
        if self.cookies:
            lines.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        if self.bearer is not None:
            lines.append(("Authorization", f"Bearer {self.bearer}"))
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            lines.append(("Content-Type", "application/json"))
        return request_bytes(method, self._target.prefix + path, lines, data)

    def keep_cookie(self, cookie: str) -> None:
        """Remember a `Set-Cookie`, as a browser would, or forget what it forgets."""
        try:
            jar = SimpleCookie(cookie)
        except CookieError:
            return  # a browser ignores it as well
        for name, morsel in jar.items():
            if morsel["max-age"] == "0" or not morsel.coded_value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.coded_value
