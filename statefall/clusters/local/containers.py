"""Runs the containers of pods: a replica's process group, its log and its readiness probe."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from statefall.clusters.local.lifecycle import PodState
from statefall.clusters.local.probe import Prober
from statefall.clusters.local.processes import Child, Program, Spawner
from statefall.records.cells import CellSpec
from statefall.records.service import ServiceSpec, filled

_STOP_MARGIN_S = 1.0
"""Between the end of a replica's graceful shutdown and SIGKILL."""


@dataclass(slots=True)
class Container:
    """One start of a pod's process."""

    id: str
    child: Child
    prober: Prober
    stop: signal.Signals = signal.SIGTERM
    """What asks its process to end."""

    def send(self, number: signal.Signals) -> bool:
        """To the first process for SIGTERM, to all of them for SIGKILL; False when it has ended."""
        if number is signal.SIGKILL:
            return self.child.send_to_group(number)
        return self.child.send(self.stop if number is signal.SIGTERM else number)


@dataclass(frozen=True, slots=True)
class Runtime:
    """How to start a replica."""

    spawner: Spawner
    environment: Mapping[str, str] = field(repr=False)
    """Of every replica."""
    logs: Path
    values_for: Callable[[ServiceSpec], Mapping[str, str]]
    """What stands for the words in braces that all replicas of a service share."""
    default: ServiceSpec
    """The service of a cell that names none."""

    def start(
        self,
        pod: PodState,
        deployment: CellSpec,
        on_exit: Callable[[str, Child], None],
        on_probe: Callable[[str, bool], None],
    ) -> Container:
        """Start the pod's container; both callbacks get its id and come from other threads."""
        container_id = f"local://{secrets.token_hex(16)}"
        service = self.service_of(deployment)
        local = service.local
        assert local is not None  # refused before
        host, _, port = pod.address.rpartition(":")
        values = {
            **self.values_for(service),
            "address": pod.address,
            "host": host,
            "port": port,
            "pod": pod.name,
            "service": deployment.service,
            "state": deployment.state.value,
            "graceful_s": str(_graceful_timeout_s(deployment)),
        }
        program = Program(
            role=f"replica {pod.name}",
            command=tuple(filled(word, values) for word in local.command),
            log=self.logs / f"{pod.name}.log",
            directory=Path(local.directory),
            environment={
                **self.environment,
                "HOST": host,
                "PORT": port,
                "POD_NAME": pod.name,
                **{name: filled(value, values) for name, value in local.environment.items()},
                **deployment.settings,
            },
        )
        child = self.spawner.start(program, lambda ended: on_exit(container_id, ended))
        prober = Prober(pod.address, local.ready, lambda passed: on_probe(container_id, passed))
        return Container(container_id, child, prober, signal.Signals[f"SIG{local.stop}"])

    def service_of(self, deployment: CellSpec) -> ServiceSpec:
        """The service that the cell runs."""
        return deployment.under_test or self.default


def _graceful_timeout_s(deployment: CellSpec) -> int:
    """How long a replica may take over its last requests after SIGTERM."""
    return max(int(deployment.grace_s - deployment.pre_stop_s - _STOP_MARGIN_S), 1)
