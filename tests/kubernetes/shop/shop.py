"""A service of somebody's: sessions in the memory of its process, found by a cookie."""

import json
import os
import secrets
import signal
import sys
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CARTS: dict[str, dict[str, int]] = {}


class Shop(BaseHTTPRequestHandler):
    """POST /login begins a session, POST /cart adds a product, GET /cart shows all of them."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer(200, {})
        elif (cart := CARTS.get(self.session())) is None:
            self.answer(401, {"error": "log in"})
        else:
            self.answer(200, cart)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/login":
            session = secrets.token_hex(8)
            CARTS[session] = {}
            self.answer(200, {}, session)
        elif (cart := CARTS.get(self.session())) is None:
            self.answer(401, {"error": "log in"})
        else:
            product = str(json.loads(body)["id"])
            cart[product] = cart.get(product, 0) + 1
            self.answer(200, cart)

    def session(self) -> str:
        found = SimpleCookie(self.headers.get("Cookie", "")).get("session")
        return found.value if found else ""

    def answer(self, status: int, document: object, session: str = "") -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Pod", os.environ.get("HOSTNAME", ""))
        if session:
            self.send_header("Set-Cookie", f"session={session}; Path=/; HttpOnly")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ThreadingHTTPServer(("0.0.0.0", 8080), Shop).serve_forever()
