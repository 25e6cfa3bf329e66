"""One replica of a small shop with its sessions in memory: `python -m benchmarks.false_word.replica NAME`.

It is right: every write is applied once, in full, before it is answered. Prints its port and serves until it
is ended. A session's id begins with the replica's name, so that a balancer can be sticky.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WINDOW = 8


@dataclass(slots=True)
class Kept:
    """A session."""

    user: str
    cart: dict[str, int] = field(default_factory=dict)
    name: str | None = None
    wishes: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def change(self, path: str, form: dict[str, Any]) -> None:
        """Apply a write."""
        if path == "/cart":
            self.cart[form["id"]] = self.cart.get(form["id"], 0) + form["pieces"]
        elif path == "/name":
            self.name = form["name"]
        elif path == "/wishes" and form["wish"] not in self.wishes:
            self.wishes.append(form["wish"])
        elif path == "/said":
            self.said = [*self.said, form["text"]][-WINDOW:]

    def shown(self) -> dict[str, Any]:
        """All of it."""
        return {
            "user": self.user,
            "cart": self.cart,
            "name": self.name,
            "wishes": self.wishes,
            "said": self.said,
        }


class Replica(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pod = "replica"
    sessions: dict[str, Kept]

    def answer(self) -> None:
        """One request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form = json.loads(body) if body else {}
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        sid = cookies["sid"].value if "sid" in cookies else ""
        if self.path == "/login":
            sid = f"{self.pod}.{secrets.token_hex(8)}"
            self.sessions[sid] = Kept(form["user"])
        kept = self.sessions.get(sid)
        if kept is None:
            self.reply(401, {"error": "who?"}, "")
            return
        with kept.lock:
            if self.command == "POST":
                kept.change(self.path, form)
            document = json.dumps(kept.shown())
        self.reply(200, document, sid)

    do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

    def reply(self, status: int, document: Any, sid: str) -> None:
        """Send the answer in one piece."""
        data = (document if isinstance(document, str) else json.dumps(document)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Pod", self.pod)
        if sid:
            self.send_header("Set-Cookie", f"sid={sid}; Path=/")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002


class Server(ThreadingHTTPServer):
    """Takes what comes; a connection that was cut is nobody's fault."""

    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None: ...


def main() -> None:
    """Serve."""
    Replica.pod, Replica.sessions = sys.argv[1], {}
    with Server(("127.0.0.1", 0), Replica) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
