"""The session store: Valkey, without persistence but for the outage that a fault asks for.

An outage here is a store that refuses connections, as a stopped pod's Service does: it is shut
down, saves what it holds, and reads that back when it returns on the same address.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from statefall.clusters.local.directories import replace_file
from statefall.clusters.local.ports import LOOPBACK, Port
from statefall.clusters.local.processes import Child, ExitListener, Program, Spawner
from statefall.clusters.protocol import ClusterError

_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{directory}"
dbfilename store.rdb
save ""
appendonly no
shutdown-on-sigterm save force
"""


@dataclass(slots=True)
class Valkey:
    """The store, running or not."""

    program: Path
    port: Port
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    _password: str = field(default_factory=lambda: secrets.token_hex(16), init=False, repr=False)
    _child: Child | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """What a client is given."""
        return f"redis://:{self._password}@{self.port.address}/0"

    @property
    def process(self) -> Child | None:
        """Its process, while it is there."""
        return self._child if self.running else None

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._child is not None and not self._child.ended

    def start(self, spawner: Spawner, on_exit: ExitListener) -> None:
        """Start it, with what it saved when it was stopped; `await_ready` waits."""
        # The password goes by file: command lines are for everybody to read.
        configuration = self.directory / "store.conf"
        content = _CONFIGURATION.format(
            host=LOOPBACK, port=self.port.number, password=self._password, directory=self.directory
        )
        replace_file(configuration, content.encode())
        command = (str(self.program), str(configuration))
        program = Program("store", command, self.log, self.directory, self.environment)
        self._child = spawner.start(program, on_exit)

    def await_ready(self, timeout_s: float = 15.0) -> None:
        """Wait until it answers. Raises ClusterError."""
        deadline = time.monotonic() + timeout_s
        with self._client() as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError as error:  # refuses still, or is loading
                    if not self.running or time.monotonic() > deadline:
                        message = self._child.last_output() if self._child else ""
                        raise ClusterError(f"the store did not start: {message or error}") from error
                time.sleep(0.01)

    def stop(self, timeout_s: float = 15.0) -> None:
        """Have it save and end; connections are refused from then on. Raises ClusterError."""
        if self._child is None:
            return
        self._child.send(signal.SIGTERM)
        if not self._child.wait(timeout_s):
            raise ClusterError(f"the store did not stop within {timeout_s:.0f} s")

    def pause(self, duration_s: float) -> None:
        """Have it hold all commands of all clients back for so long. Raises ClusterError."""
        try:
            with self._client() as client:
                client.client_pause(round(duration_s * 1000), all=True)
        except redis.RedisError as error:
            raise ClusterError(f"the store cannot be paused: {error}") from error

    def empty(self) -> None:
        """Forget everything. Raises ClusterError."""
        try:
            with self._client() as client:
                client.flushall()
        except redis.RedisError as error:
            raise ClusterError(f"the store cannot be emptied: {error}") from error

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(
            self.url, socket_timeout=5.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
        )
