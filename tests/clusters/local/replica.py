"""A replica small enough to do on demand what a real one does on a bad day. Standard library alone.

Started as `replica.py --bind HOST:PORT`; what it is to do it learns from `STATEFALL_TEST_*`
variables and from files in the folder `STATEFALL_TEST_CONTROL`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

POD = os.environ["STATEFALL_POD"]
CONTROL = Path(os.environ["STATEFALL_TEST_CONTROL"])


def note(what: str) -> None:
    """Add a line to the pod's diary."""
    with (CONTROL / f"{POD}.diary").open("a") as diary:
        diary.write(f"{time.monotonic()} {what}\n")


class Handler(BaseHTTPRequestHandler):
    """Answers who it is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/ready":
            (CONTROL / f"{POD}.probed").touch()
            self.answer(503 if (CONTROL / f"{POD}.unready").exists() else 200, b"")
        elif self.path == "/metrics":
            self.answer(200, f'statefall_sessions_active 0.0\nmine{{pod="{POD}"}} 1\n'.encode())
        elif self.path == "/crash":
            os._exit(3)
        elif self.path == "/environment":
            self.answer(200, json.dumps(dict(os.environ)).encode())
        else:
            self.answer(200, json.dumps({"pod": POD, "pid": os.getpid()}).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Listens with room for a burst."""

    request_queue_size = 128


def main() -> None:
    if os.environ.get("STATEFALL_TEST_HOPELESS"):
        sys.exit("this replica cannot start: it was told not to")
    if os.environ.get("STATEFALL_TEST_CHILD"):
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        note(f"child {child.pid}")
    host, _, port = sys.argv[sys.argv.index("--bind") + 1].rpartition(":")
    server = Server((host, int(port)), Handler)

    def on_term(number: int, frame: object) -> None:
        note("term")
        if not os.environ.get("STATEFALL_TEST_STUBBORN"):
            threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, on_term)
    note("start")
    server.serve_forever(poll_interval=0.02)
    note("end")


if __name__ == "__main__":
    main()
