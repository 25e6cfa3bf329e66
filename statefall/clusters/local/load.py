"""The load generator's process on this machine."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from statefall.clusters.local.directories import replace_file
from statefall.clusters.local.loopback import Unanswered, request
from statefall.clusters.local.ports import Port, Ports
from statefall.clusters.local.processes import Child, Program, Spawner
from statefall.clusters.protocol import ClusterError
from statefall.records.load import LoadConfig

LIVE_PATH = "/statefall/live"
"""Answered by the generator's control API from its start on."""
_START_LIMIT_S = 120.0
"""Seconds of processor time are enough; a busy machine gives them slowly."""
_STOP_GRACE_S = 3.0
_END_TOLD_S = 2.0
"""Until its whole group is gone and how it ended is known."""


@dataclass(slots=True)
class LocalLoad:
    """At most one load generator."""

    spawner: Spawner
    ports: Ports
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    command: tuple[str, ...] | None = None
    """Instead of the project's own, for tests."""
    access_log: Path | None = None
    """Where the balancer says who answered."""
    _child: Child | None = field(default=None, init=False)
    _port: Port | None = field(default=None, init=False)

    def start(self, config: LoadConfig, base_url: str) -> str:
        """Start it on this configuration, aimed at `base_url` unless that names its own; the control URL.

        Returns once it answers there. Raises ClusterError with the end of its log when it ends before that.
        """
        self.stop()
        file = self.directory / "load.json"
        access_log = str(self.access_log) if self.access_log is not None else ""
        config = replace(config, target=config.target or base_url, access_log=access_log)
        replace_file(file, config.to_json())
        self._port = self.ports.take("load generator")
        program = self.command or (sys.executable, "-m", "statefall.load.main")
        command = (*program, "--config", str(file), "--control-port", str(self._port.number))
        self._child = self.spawner.start(
            Program("load generator", command, self.log, self.directory, self.environment)
        )
        self._await_answer(self._child, self._port.address)
        return f"http://{self._port.address}"

    def _await_answer(self, child: Child, address: str) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                request(address, "GET", LIVE_PATH)
                return
            except Unanswered as error:
                if child.ended:
                    raise ClusterError(
                        f"the load generator ended ({child.how}): {child.last_output()} (log: {self.log})"
                    ) from error
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"the load generator did not answer after {_START_LIMIT_S:.0f} s (log: {self.log})"
                    ) from error
            time.sleep(0.02)

    def end(self) -> str:
        """How it ended without being asked to, in words; empty while it runs."""
        if self._child is None or not self._child.wait(_END_TOLD_S):
            return ""
        return f"its process ended: {self._child.explained()}"

    def stop(self) -> None:
        """Ask it to end, then end it with all that it has started. Idempotent."""
        if self._child is not None:
            self._child.send(signal.SIGTERM)
            if not self._child.wait(_STOP_GRACE_S):
                self._child.send_to_group(signal.SIGKILL)
                self._child.wait(_STOP_GRACE_S)
            self._child = None
        if self._port is not None:
            self._port.release()
            self._port = None
