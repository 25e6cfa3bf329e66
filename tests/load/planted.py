"""A small shop of nobody's making, with sessions in memory and losses that can be planted."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

POD, ADDRESS = "shop-1", "127.0.0.9:8000"
CLOSE = -1
"""In place of a status: the connection ends without an answer."""


@dataclass(slots=True)
class Kept:
    """What a session holds."""

    user: str
    cart: dict[str, int] = field(default_factory=dict)
    name: str | None = None
    forgotten: bool = False


def healthy(*_: object) -> None:
    """Nothing is planted."""


@dataclass(slots=True)
class PlantedShop:
    """`defect` may change what is kept before a request of a session is answered, and give the answer."""

    defect: Callable[[PlantedShop, str, str, Kept], tuple[int, Any] | None] = healthy
    access_log: Path | None = None
    sessions: dict[str, Kept] = field(default_factory=dict)
    requests: int = 0
    """With a session."""
    hit: list[str] = field(default_factory=list)
    """Users on whom a loss was planted."""
    lock: Any = field(default_factory=threading.Lock)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, sid: str, form: dict[str, Any]) -> tuple[int, Any, str]:
        """Status, document, and the session's id."""
        with self.lock:
            if path == "/login":
                sid = secrets.token_hex(8)
                self.sessions[sid] = Kept(form["user"])
                return 200, {"user": form["user"]}, sid
            kept = self.sessions.get(sid)
            if kept is None:
                return 401, {"error": "who?"}, sid
            self.requests += 1
            planted = self.defect(self, method, path, kept)
            if planted is not None:
                return *planted, sid
            kept = self.sessions.setdefault(sid, kept)
            if (method, path) == ("POST", "/cart"):
                product = str(form["id"])
                kept.cart[product] = kept.cart.get(product, 0) + 1
            if (method, path) == ("POST", "/name"):
                kept.name = form["name"]
            if path == "/cart":
                return 200, kept.cart, sid
            return 200, {"name": kept.name, "user": kept.user}, sid


def handler(shop: PlantedShop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type", "")
            form = {k: v[0] for k, v in parse_qs(body.decode()).items()} if "form" in kind else {}
            form = json.loads(body) if "json" in kind else form
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
            sid = cookies["sid"].value if "sid" in cookies else ""
            status, document, sid = shop.answer(self.command, self.path, sid, form)
            if status == CLOSE:
                self.close_connection = True
                return
            if shop.access_log is not None:
                line = {
                    "ServiceAddr": ADDRESS,
                    "request_Statefall-Operation": self.headers["Statefall-Operation"],
                }
                with shop.access_log.open("a") as log:
                    log.write(json.dumps(line) + "\n")
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-Pod", POD)
            if 300 <= status < 400:
                self.send_header("Location", str(document))
            self.send_header("Set-Cookie", f"sid={sid}; Path=/")
            self.send_header("Set-Cookie", f"route={POD}; Path=/")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

    return Handler


@contextmanager
def serving(shop: PlantedShop) -> Iterator[PlantedShop]:
    """The shop as a server on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(shop))
    server.daemon_threads = True
    shop.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
