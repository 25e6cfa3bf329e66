"""Which cluster a command works on: the only place that knows what stands behind the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from chaos.faults import FaultKind
from clusters.protocol import Check, Cluster
from foundation.errors import EnvironmentUnfit, InputError
from statefall.plan import Plan


class ClusterChoice(StrEnum):
    """Values of `--cluster`."""

    LOCAL = "local"
    KUBERNETES = "kubernetes"


def open_cluster(choice: ClusterChoice, run_dir: Path, plan: Plan, *, ports: range | None = None) -> Cluster:
    """The driver of the chosen cluster; nothing is started yet. Raises EnvironmentUnfit, InputError."""
    with _extra(choice):
        if choice is ClusterChoice.LOCAL:
            from clusters.local import LocalCluster

            return LocalCluster(run_dir, ports=ports)
        from clusters.kubernetes import KubernetesCluster, Size

        if ports is not None:
            raise InputError("--ports is for the local cluster alone")
        size = Size(
            max(cell.replicas for cell in plan.cells),
            plan.experiment.load.workers,
            drains=any(fault.kind is FaultKind.DRAIN for cell in plan.cells for fault in cell.faults),
        )
        return KubernetesCluster(run_dir, size=size)


def refuse_unfit(choice: ClusterChoice, plan: Plan) -> None:
    """Raises InputError, before anything is made, when the plan asks for what this cluster cannot do."""
    with _extra(choice):
        if choice is ClusterChoice.LOCAL:
            from clusters.local import refuse_balancer

            for cell in plan.cells:
                refuse_balancer(cell.balancer, where="matrix.balancer")
                for fault in cell.faults:
                    _refuse_fault(fault.kind)
        else:
            from clusters.kubernetes import ending

            ending(plan.experiment.deploy.grace_s, plan.experiment.deploy.pre_stop_s)


def _refuse_fault(kind: FaultKind) -> None:
    """Raises InputError for one that the local cluster cannot do."""
    if kind.keeps_budget:
        raise InputError(
            f"the fault `{kind}` needs Kubernetes: a disruption budget decides on evictions",
            where="faults",
            hint="--cluster kubernetes, or `delete` here",
        )


def recover_all(choice: ClusterChoice) -> list[str]:
    """Clear what dead harnesses left on the chosen cluster; says what, in words. Raises EnvironmentUnfit."""
    with _extra(choice):
        if choice is ClusterChoice.LOCAL:
            from clusters.local import recovery

            return recovery.recover_all()
        from clusters.kubernetes import recover

        return recover()


def examine(choice: ClusterChoice) -> tuple[Check, ...]:
    """What the chosen cluster needs, and whether it is there."""
    with _extra(choice):
        if choice is ClusterChoice.LOCAL:
            from clusters.local import examination

            return examination.examine()
        from clusters.kubernetes import doctor

        return doctor()


@contextmanager
def _extra(choice: ClusterChoice) -> Iterator[None]:
    """The drivers are imported on demand: each needs packages that the other does without."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EnvironmentUnfit(
            f"the {choice} cluster needs the package {error.name}",
            hint=f"pip install 'statefall[{choice}]'",
        ) from error
