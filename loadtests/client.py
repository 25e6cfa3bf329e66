"""The shoppers' HTTP client: one keep-alive connection, one cookie jar, and one send per request.

Nothing is ever sent again: whether the first copy was applied is what the ledger wants to know. A
connection that died while it was idle is noticed before anything is sent on it.

It uses plain sockets; in a load process gevent has patched them.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import urlsplit

from foundation.errors import InputError
from loadtests.wire import Malformed, Response, read_response, request_bytes

RECEIVE_BYTES: Final = 65_536


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


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request did not end in a whole answer."""

    sent: bool
    """False: nothing left this process, so nothing can have been applied."""
    reason: str


class Client:
    """One user agent. Not for use by two threads or greenlets at once."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        """`timeout_s` bounds a whole request, from the connect to the last byte of the answer."""
        self.cookies: dict[str, str] = {}
        self.bearer: str | None = None
        self.sent = False
        """Whether the current, or else the last request reached the socket."""
        self._target = target
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Drop the connection; the next request opens another one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] = {}
    ) -> Response | NoAnswer:
        """Send one request, at most once, and wait for its answer."""
        self.sent = False
        deadline = time.monotonic() + self._timeout_s
        message = self._message(method, path, body, headers)
        try:
            connection = self._connect()
        except TimeoutError:
            return NoAnswer(sent=False, reason="no connection in time")
        except OSError as error:
            return NoAnswer(sent=False, reason=f"no connection: {error.strerror or error}")
        whole = False
        try:
            self.sent = True
            self._bound(connection, deadline)
            connection.sendall(message)
            response = read_response(lambda: self._receive(connection, deadline))
            whole = True
        except TimeoutError:
            return NoAnswer(sent=True, reason="no answer in time")
        except OSError as error:
            return NoAnswer(sent=True, reason=f"broken connection: {error.strerror or error}")
        except Malformed as error:
            return NoAnswer(sent=True, reason=f"broken answer: {error}")
        finally:
            # Also when a greenlet is killed in the middle: the answer to this must not reach the next.
            if not whole:
                self.close()
        if not response.keep_alive:
            self.close()
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

    def _connect(self) -> socket.socket:
        if self._socket is not None and _is_stale(self._socket):
            self.close()
        if self._socket is None:
            address = (self._target.host, self._target.port)
            self._socket = socket.create_connection(address, timeout=self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _receive(self, connection: socket.socket, deadline: float) -> bytes:
        self._bound(connection, deadline)
        return connection.recv(RECEIVE_BYTES)

    @staticmethod
    def _bound(connection: socket.socket, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)

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


def _is_stale(connection: socket.socket) -> bool:
    """Whether an idle connection has ended, or holds bytes that nobody asked for."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
