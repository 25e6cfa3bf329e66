"""A server that does to each request what its script says, and counts what reached it."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Act = Callable[[socket.socket], bool]
"""Answers a request on its connection; False closes the connection."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def answer(data: bytes = OK) -> Act:
    """Send these bytes and keep the connection."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(data)
        return True

    return act


def answer_and_close(data: bytes = OK) -> Act:
    """Send these bytes and close without having said so."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(data)
        return False

    return act


def hang_up(connection: socket.socket) -> bool:
    """Close without an answer."""
    return False


def reset(connection: socket.socket) -> bool:
    """End the connection with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


@dataclass(slots=True)
class Script:
    """What the server does, in order, and what it saw."""

    acts: list[Act]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released whenever the server has closed a connection."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        with connection:
            while _shook_hands(connection):
                request = _read_request(connection)
                if not request:
                    break
                self.requests.append(request)
                act = self.acts.pop(0)
                if not act(connection):
                    break
        self.closed.release()


def _shook_hands(connection: socket.socket) -> bool:
    """Whether bytes can be read. The names that clients asked for are the context's matter."""
    try:
        if isinstance(connection, ssl.SSLSocket):
            connection.do_handshake()
    except OSError:
        return False  # the client trusts nobody
    return True


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = _recv(connection)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += _recv(connection)
    return head + b"\r\n\r\n" + body


def _recv(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except OSError:
        return b""  # the client reset it or the test has ended


@contextmanager
def serving(*acts: Act, tls: ssl.SSLContext | None = None) -> Iterator[Script]:
    """A server that follows the script on a free loopback port."""
    script = Script(list(acts))
    listener = socket.create_server(("127.0.0.1", 0))
    script.port = listener.getsockname()[1]
    threads: list[threading.Thread] = []
    open_connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            script.connections += 1
            open_connections.append(connection)
            thread = threading.Thread(target=script.serve, args=(connection,))
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield script
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in open_connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has ended already
        for thread in threads:
            thread.join()
