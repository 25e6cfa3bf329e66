"""Runs the containers of pods: a replica's process group, its log and its readiness probe."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clusters.local.lifecycle import PodState
from clusters.local.probe import Prober
from clusters.local.processes import Child, Program, Spawner
from clusters.protocol import Deployment

_STOP_MARGIN_S = 1.0
"""Between the end of a replica's own patience and SIGKILL."""


@dataclass(slots=True)
class Container:
    """One start of a pod's process."""

    id: str
    child: Child
    prober: Prober

    def send(self, number: signal.Signals) -> bool:
        """To the first process for SIGTERM, to all of them for SIGKILL; False when it has ended."""
        if number is signal.SIGKILL:
            return self.child.send_to_group(number)
        return self.child.send(number)


@dataclass(frozen=True, slots=True)
class Runtime:
    """How to start a replica."""

    spawner: Spawner
    command: tuple[str, ...] | None
    """Instead of the twins' server, for tests; given `--bind HOST:PORT` besides."""
    environment: Mapping[str, str] = field(repr=False)
    directory: Path
    logs: Path

    def start(
        self,
        pod: PodState,
        deployment: Deployment,
        on_exit: Callable[[str, Child], None],
        on_probe: Callable[[str, bool], None],
    ) -> Container:
        """Start the pod's container; both callbacks get its id and come from other threads."""
        container_id = f"local://{secrets.token_hex(16)}"
        program = Program(
            role=f"replica {pod.name}",
            command=self._command(pod, deployment),
            log=self.logs / f"{pod.name}.log",
            directory=self.directory,
            environment=self._environment(pod, deployment),
        )
        child = self.spawner.start(program, lambda ended: on_exit(container_id, ended))
        prober = Prober(pod.address, lambda passed: on_probe(container_id, passed))
        return Container(container_id, child, prober)

    def _command(self, pod: PodState, deployment: Deployment) -> tuple[str, ...]:
        serve = self.command or (sys.executable, "-m", "services.serve", deployment.service.value)
        return (*serve, "--bind", pod.address)

    def _environment(self, pod: PodState, deployment: Deployment) -> dict[str, str]:
        return {
            **self.environment,
            "STATEFALL_STATE": deployment.state.value,
            "STATEFALL_GRACEFUL_TIMEOUT_S": str(_graceful_timeout_s(deployment)),
            **deployment.settings,
            "STATEFALL_POD": pod.name,
        }


def _graceful_timeout_s(deployment: Deployment) -> int:
    """How long a replica may take over its last requests after SIGTERM."""
    return max(int(deployment.grace_s - deployment.pre_stop_s - _STOP_MARGIN_S), 1)
