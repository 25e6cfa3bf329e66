"""What the registry asks of Kubernetes."""

from __future__ import annotations

from pathlib import Path

from statefall.clusters.kubernetes.api.access import configuration
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.attached import questions
from statefall.clusters.kubernetes.attached.cluster import AttachedCluster, look_at_all
from statefall.clusters.kubernetes.cluster import KubernetesCluster
from statefall.clusters.kubernetes.examination import examine
from statefall.clusters.kubernetes.objects.demand import Size
from statefall.clusters.kubernetes.objects.manifests import ending
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.kubernetes.ownership.takeover import recover
from statefall.clusters.protocol import Check, SeparateLoadHost
from statefall.clusters.registry import Attaching, Driver, RunDemand, entry_of
from statefall.records.errors import StatefallError


def doctor(target: RunTarget | None = None) -> tuple[Check, ...]:
    """What a run needs of the cluster, and whether it is there."""
    chosen = target or RunTarget.from_environment()
    try:
        api = Api(configuration(chosen), chosen.namespace)
    except StatefallError as error:
        return (Check("cluster", fine=False, message=str(error)),)
    try:
        return examine(api, chosen)
    finally:
        api.close()


def _open(run_dir: Path, demand: RunDemand) -> KubernetesCluster | AttachedCluster:
    if demand.attached:
        return AttachedCluster(run_dir, questions.plan_of(demand), load=_load_host(run_dir, demand))
    return KubernetesCluster(run_dir, size=Size(demand.replicas, demand.workers, drains=demand.drains))


def _load_host(run_dir: Path, demand: RunDemand) -> SeparateLoadHost:
    """The load comes from this machine: its driver has it. Raises EnvironmentUnfit."""
    host = entry_of("local").load().load_host
    assert host is not None
    return host(run_dir, demand.ports)


def _refuse(demand: RunDemand) -> None:
    if demand.attached:
        look_at_all(RunTarget.from_environment(), questions.plan_of(demand))
    else:
        ending(demand.grace_s, demand.pre_stop_s)


DRIVER = Driver(
    open_cluster=_open,
    refuse=_refuse,
    recover=recover,
    examine=doctor,
    attaching=Attaching(questions.replicas, questions.preview_of, questions.examine, questions.role_of),
)
