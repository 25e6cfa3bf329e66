"""An API server of one namespace that can be told to break, over real HTTP: lists and watches, no more."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

from statefall.clusters.kubernetes.objects.kinds import Object


class Stream:
    """A watch that is being served."""

    def __init__(self, handler: BaseHTTPRequestHandler, ending: threading.Event) -> None:
        self._handler, self._ending, self._begun = handler, ending, False

    def tell(self, kind: str, obj: Object) -> None:
        """One change."""
        if not self._begun:
            self._begun = True
            self._handler.send_response(200)
            self._handler.send_header("Transfer-Encoding", "chunked")
            self._handler.end_headers()
        line = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def bookmark(self) -> None:
        self.tell("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "2"}})

    def refuse(self, status: int) -> None:
        """Answer with a status instead of a stream."""
        self._handler.send_response(status)
        self._handler.send_header("Content-Length", "0")
        self._handler.end_headers()

    def reset(self) -> None:
        """Break the TCP connection, as a load balancer that restarts does."""
        reset(self._handler.connection)

    def end(self) -> None:
        """End it in order, as the API server does when its time is over."""
        self._handler.wfile.write(b"0\r\n\r\n")

    def stay(self) -> None:
        """Healthy and quiet for the rest of the test."""
        self._ending.wait()


Act = Callable[[Stream], None]


class ApiServer:
    """Its pods are `pods`; each watch of pods gets the next of `acts`, and then a healthy one."""

    def __init__(self) -> None:
        self.pods: list[Object] = []
        self.acts: list[Act] = []
        self.broken_lists = 0
        """So many lists of pods break in the middle of the answer."""
        self.watches: list[float] = []
        """When each watch of pods began, on the monotonic clock."""
        self._ending = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Gone: watches end, and nobody listens any more."""
        if not self._ending.is_set():
            self._ending.set()
            self._server.shutdown()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                address = urlparse(self.path)
                self.close_connection = True
                of_pods = address.path.endswith("/pods")
                if "watch" in parse_qs(address.query):
                    server.serve_watch(Stream(self, server._ending), of_pods)
                else:
                    server.serve_list(self, of_pods)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def serve_watch(self, stream: Stream, of_pods: bool) -> None:
        act: Act = Stream.stay
        if of_pods:
            self.watches.append(time.monotonic())
            act = self.acts.pop(0) if self.acts else Stream.stay
        if act is Stream.stay:
            stream.bookmark()
        act(stream)

    def serve_list(self, handler: BaseHTTPRequestHandler, of_pods: bool) -> None:
        items = self.pods if of_pods else []
        body = json.dumps({"metadata": {"resourceVersion": "1"}, "items": items}).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Connection", "close")  # said, or the client's next request races with the close
        handler.end_headers()
        if of_pods and self.broken_lists:
            self.broken_lists -= 1
            handler.wfile.write(body[:10])
            reset(handler.connection)
        else:
            handler.wfile.write(body)


def reset(connection: socket.socket) -> None:
    """Close with RST: nothing that is under way arrives, nothing can be sent any more."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving() -> Iterator[ApiServer]:
    server = ApiServer()
    try:
        yield server
    finally:
        server.close()
