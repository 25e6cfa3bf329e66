"""HTTP/1.1 as bytes: one request out, one response in. No sockets here.

A parser of our own because the usual clients hide what the ledger must know: how often a request
was sent, and whether the answer arrived whole. It understands what a service and a proxy send:
Content-Length, chunked, and bodies that end with the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
MAX_DIGITS: Final = 20
"""Of a length: Python refuses to read a number of thousands of digits."""

Receive = Callable[[], bytes]
"""The next bytes of the connection; empty at its end."""


class Malformed(Exception):
    """Not a whole HTTP/1.1 response: garbage, too long, or cut off."""


class CutOff(Malformed):
    """The connection ended before the whole response had come."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response that arrived whole. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    """The last value of each name; cookies are in `set_cookies`."""
    set_cookies: tuple[str, ...]
    body: bytes
    keep_alive: bool
    """Another request may be sent on this connection."""


def request_bytes(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> bytes:
    """The request as it goes over the wire, in one piece. `headers` must not hold Content-Length."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class _Reader:
    __slots__ = ("_buffer", "_receive", "ended")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._buffer = b""
        self.ended = False

    def until(self, mark: bytes, limit: int) -> bytes:
        """Everything before the mark, which is consumed too."""
        while True:
            at = self._buffer.find(mark)
            if at >= 0:
                found, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
                return found
            if len(self._buffer) > limit:
                raise Malformed("a line or a head is too long")
            self._more()

    def exactly(self, count: int) -> bytes:
        """So many bytes."""
        while len(self._buffer) < count:
            self._more()
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def rest(self) -> bytes:
        """Everything until the connection ends."""
        while not self.ended:
            chunk = self._receive()
            self.ended = not chunk
            self._buffer += chunk
            if len(self._buffer) > MAX_BODY_BYTES:
                raise Malformed("the body is too long")
        return self._buffer

    @property
    def leftover(self) -> bool:
        """Bytes came that belong to no response."""
        return bool(self._buffer)

    def _more(self) -> None:
        chunk = self._receive()
        if not chunk:
            raise CutOff("the connection ended within the response")
        self._buffer += chunk


def read_response(receive: Receive, *, bodiless: bool = False) -> Response:
    """Read one response. Raises Malformed; lets through what `receive` raises.

    `bodiless`: it answers a HEAD, whose headers speak of a body that does not come.
    """
    reader = _Reader(receive)
    while True:
        version, status, headers, cookies = _head(reader.until(b"\r\n\r\n", MAX_HEAD_BYTES))
        if status >= 200:
            break
    body, framed = (b"", True) if bodiless else _body(reader, status, headers)
    connection = headers.get("connection", "").lower()
    keep = framed and not reader.leftover and (
        "close" not in connection if version == "HTTP/1.1" else "keep-alive" in connection
    )  # fmt: skip
    return Response(status, headers, cookies, body, keep)


def _head(head: bytes) -> tuple[str, int, dict[str, str], tuple[str, ...]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    code = rest[:3]
    if version not in ("HTTP/1.1", "HTTP/1.0") or not code.isdecimal() or len(code) != 3:
        raise Malformed(f"not an HTTP status line: {first[:40]!r}")
    headers: dict[str, str] = {}
    cookies = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed(f"not a header: {line[:40]!r}")
        name, value = name.lower(), value.strip()
        if name == "set-cookie":
            cookies.append(value)
        else:
            headers[name] = value
    return version, int(code), headers, tuple(cookies)


def _body(reader: _Reader, status: int, headers: dict[str, str]) -> tuple[bytes, bool]:
    """The body, and whether its end was told by other means than the end of the connection."""
    if status in (204, 304):
        return b"", True
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunks(reader), True
    length = headers.get("content-length")
    if length is None:
        return reader.rest(), False
    if not length.isdecimal() or len(length) > MAX_DIGITS or int(length) > MAX_BODY_BYTES:
        raise Malformed(f"Content-Length is {length[:20]!r}")
    return reader.exactly(int(length)), True


def _chunks(reader: _Reader) -> bytes:
    parts: list[bytes] = []
    size_so_far = 0
    while True:
        line = reader.until(b"\r\n", MAX_HEAD_BYTES).split(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError:
            raise Malformed(f"not the size of a chunk: {line[:20]!r}") from None
        size_so_far += size
        if size < 0 or size_so_far > MAX_BODY_BYTES:
            raise Malformed("the body is too long")
        if size == 0:
            while reader.until(b"\r\n", MAX_HEAD_BYTES):
                continue  # trailers say nothing that is counted
            return b"".join(parts)
        parts.append(reader.exactly(size))
        if reader.exactly(2) != b"\r\n":
            raise Malformed("a chunk is longer than its size")
