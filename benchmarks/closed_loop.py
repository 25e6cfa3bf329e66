"""Real replicas on loopback, and a sender that keeps a few connections to one of them busy."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from statefall.clusters.local import launch

ROOT = Path(__file__).resolve().parents[1]
USERS = range(1, 49)
CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent again and again, each time of another user."""

    method: str
    path: str
    body: bytes = b""


@dataclass(slots=True)
class Running:
    """A replica that runs, and who is logged in there."""

    process: subprocess.Popen[bytes]
    port: int
    proofs: list[str] = field(default_factory=list)
    """A header line for each user."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def worker(self) -> psutil.Process:
        """The process that answers."""
        return psutil.Process(self.process.pid).children()[0]

    def sample(self, name: str, labels: Mapping[str, str]) -> float:
        """One figure of its metrics."""
        text = httpx.get(f"{self.url}/metrics", trust_env=False).text
        return sum(
            found.value
            for family in text_string_to_metric_families(text)
            for found in family.samples
            if found.name == name and found.labels == labels
        )

    def log_in(self) -> None:
        """Log everybody in."""
        for user in USERS:
            answer = httpx.post(
                f"{self.url}/login", json={"user": f"user{user}", "password": "shopper"}, trust_env=False
            ).raise_for_status()
            token = answer.json().get("token")
            self.proofs.append(
                f"Authorization: Bearer {token}"
                if token
                else f"Cookie: statefall_session={answer.cookies['statefall_session']}"
            )


@contextmanager
def replica(twin: str, environ: Mapping[str, str]) -> Iterator[Running]:
    """A ready replica with everybody logged in."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The launcher has the kernel kill the replica when this program dies, however that happens.
    launched = [sys.executable, launch.__file__, str(os.getpid()), str(int(signal.SIGKILL)), "-1", "-1"]
    command = [*launched, sys.executable, "-m", "services.serve", twin, "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, env={**os.environ, **environ}, cwd=ROOT)
    running = Running(process, port)
    try:
        deadline = time.monotonic() + 60
        while not ready(running):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the {twin} replica did not get ready")
            time.sleep(0.05)
        running.log_in()
        yield running
    finally:
        process.terminate()
        process.wait(30)


def ready(running: Running) -> bool:
    try:
        return httpx.get(f"{running.url}/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def send(running: Running, request: Request, count: int) -> float:
    """Send so many requests, each of the next user; returns the seconds it took."""
    failed: list[str] = []
    shares = [count // CONNECTIONS + (number < count % CONNECTIONS) for number in range(CONNECTIONS)]
    senders = [
        threading.Thread(target=send_share, args=(running, request, share, number, failed.append))
        for number, share in enumerate(shares)
    ]
    begin = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if failed:
        raise SystemExit(f"{request.path}: {failed[0]}")
    return time.perf_counter() - begin


def send_share(
    running: Running, request: Request, share: int, first: int, fail: Callable[[str], None]
) -> None:
    """One connection's share of the requests."""
    head = f"{request.method} {request.path} HTTP/1.1\r\nHost: replica\r\n"
    if request.body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(request.body)}\r\n"
    texts = [f"{head}{proof}\r\n\r\n".encode() + request.body for proof in running.proofs]
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as answers:
            for number in range(share):
                connection.sendall(texts[(first + number * CONNECTIONS) % len(texts)])
                status = answers.readline()
                length = 0
                while (line := answers.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                answers.read(length)
                if b" 200 " not in status:
                    fail(status.decode(errors="replace").strip() or "the connection was closed")
                    return
