"""Which cluster a command works on: the only place that knows what stands behind the protocol."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from clusters.protocol import Cluster
from foundation.errors import EnvironmentUnfit


class ClusterChoice(StrEnum):
    """Values of `--cluster`."""

    LOCAL = "local"
    KUBERNETES = "kubernetes"


def open_cluster(choice: ClusterChoice, run_dir: Path, *, ports: range | None = None) -> Cluster:
    """The driver of the chosen cluster; nothing is started yet. Raises EnvironmentUnfit.

    The drivers are imported on demand: each needs packages that the other does without.
    """
    try:
        if choice is ClusterChoice.LOCAL:
            from clusters.local import LocalCluster

            return LocalCluster(run_dir, ports=ports)
        from clusters.kubernetes import KubernetesCluster
    except ImportError as error:
        raise EnvironmentUnfit(
            f"the {choice} cluster needs the package {error.name}",
            hint=f"pip install 'statefall[{choice}]'",
        ) from error
    return KubernetesCluster(run_dir)
