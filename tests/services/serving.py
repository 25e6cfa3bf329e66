"""Starts replicas as processes, as a cluster does, and leaves none behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.services.backing import DEADLINE_S, free_port, wait_until

ROOT = Path(__file__).parents[2]
KEY = "a key for tests that has at least sixty-four bytes so that HS512 would do"


@dataclass(frozen=True, slots=True)
class Served:
    """A replica that runs: its master process and its address."""

    master: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def worker(self) -> psutil.Process:
        """The one worker process."""
        (worker,) = psutil.Process(self.master.pid).children()
        return worker

    def connect(self) -> socket.socket:
        """A connection to it. Raises ConnectionRefusedError when nobody listens."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)

    def refuses(self) -> bool:
        """Whether nobody listens at its address."""
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return True
        return False

    def ready(self) -> bool:
        """Whether it passes its readiness probe. Fails the test when it has ended instead."""
        assert self.master.poll() is None, f"the replica ended with {self.master.returncode}"
        try:
            return httpx.get(f"{self.url}/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


def command(twin: str, port: int, *more: str) -> list[str]:
    """How a cluster starts a replica."""
    return [sys.executable, "-m", "services.serve", twin, "--bind", f"127.0.0.1:{port}", *more]


@contextmanager
def serve(twin: str, environ: dict[str, str], *more: str, port: int | None = None) -> Iterator[Served]:
    """A ready replica in a process group of its own; ended by SIGKILL in the end, if it still runs."""
    port = port or free_port()
    master = subprocess.Popen(
        command(twin, port, *more), env={**os.environ, **environ}, cwd=ROOT, start_new_session=True
    )
    served = Served(master, port)
    try:
        wait_until(served.ready, f"{twin} replica is ready")
        yield served
    finally:
        if master.poll() is None:
            os.killpg(master.pid, signal.SIGKILL)
            master.wait(DEADLINE_S)


def gone(process: psutil.Process) -> bool:
    """Whether the process has ended."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
