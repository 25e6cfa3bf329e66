"""The load generator's process on this machine."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clusters.local.loopback import Unanswered, request
from clusters.local.places import replace_file
from clusters.local.ports import Port, Ports
from clusters.local.processes import Child, Program, Spawner
from clusters.protocol import ClusterError

LIVE_PATH = "/statefall/live"
"""Answered by the generator's control API from its start on."""
_START_LIMIT_S = 30.0
_STOP_GRACE_S = 3.0
_END_TOLD_S = 2.0
"""Until its whole group is gone and how it ended is known."""


@dataclass(slots=True)
class Load:
    """At most one load generator."""

    spawner: Spawner
    ports: Ports
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    command: tuple[str, ...] | None = None
    """Instead of the project's own, for tests."""
    _child: Child | None = field(default=None, init=False)
    _port: Port | None = field(default=None, init=False)

    def start(self, config: bytes, target: str) -> str:
        """Start it on this configuration, aimed at `target` unless that names its own; the control URL.

        Returns once it answers there. Raises ClusterError with its last words when it ends before that.
        """
        self.stop()
        document = json.loads(config)
        document["target"] = document.get("target") or target
        file = self.directory / "load.json"
        replace_file(file, json.dumps(document).encode())
        self._port = self.ports.take("load generator")
        program = self.command or (sys.executable, "-m", "loadtests.main")
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
                        f"the load generator ended ({child.how}): {child.last_words()} (log: {self.log})"
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
        return f"its process ended: {self._child.how}"

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
