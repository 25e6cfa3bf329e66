"""Where other replicas call: a small HTTP server of its own, beside the one for clients.

Its threads are not those of the requests: a replica whose requests all wait for copies on another one
must still be able to keep that one's copies, or the two would wait for each other.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast

from services.refusals import Unavailable
from services.sessions.replication.wire import (
    MAC_HEADER,
    MAX_MESSAGE_BYTES,
    PREFIX,
    Call,
    Message,
    Peers,
    pack,
    unpack,
)

IDLE_S: Final = 60.0
"""After so long without a call a connection is closed."""
Handler = Callable[[Message], Mapping[str, Any]]

logger = logging.getLogger(__name__)


class PeerServer:
    """Answers calls with handlers. Raises OSError from its making when the port is taken."""

    def __init__(self, host: str, port: int, peers: Peers, handlers: Mapping[Call, Handler]) -> None:
        self._server = _Server((host, port), peers, handlers)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="peer-server", daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def open(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop to listen; from then on a call finds nobody."""
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], peers: Peers, handlers: Mapping[Call, Handler]) -> None:
        self.peers, self.handlers = peers, handlers
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, _Request)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Kept-alive connections would go on being answered."""
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("the peer was faster")


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one piece

    def do_POST(self) -> None:
        server = cast("_Server", self.server)
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_MESSAGE_BYTES:
            self._answer(413, b"")
            self.close_connection = True
            return
        body = self.rfile.read(int(length))
        if not server.peers.genuine(self.path, body, self.headers.get(MAC_HEADER, "")):
            self._answer(403, b"")
            return
        try:
            handler = server.handlers[Call(self.path.removeprefix(PREFIX))]
            answer = pack(handler(unpack(body)))
        except Unavailable:
            self._answer(503, b"")
        except Exception:
            logger.exception("a peer's call failed: %s", self.path)
            self._answer(500, b"")
        else:
            self._answer(200, answer)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/msgpack")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Calls are counted, not logged."""
