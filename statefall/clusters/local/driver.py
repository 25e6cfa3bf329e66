"""What the registry asks of the local cluster."""

from __future__ import annotations

from pathlib import Path

from statefall.clusters.local.builds import lacking
from statefall.clusters.local.cluster import LocalCluster
from statefall.clusters.local.directories import LiveRun, cache_directory
from statefall.clusters.local.examination import examine
from statefall.clusters.local.load_host import LoadOnThisMachine
from statefall.clusters.local.recovery import recover_all
from statefall.clusters.registry import Driver, RunDemand
from statefall.records.service import ServiceSpec


def _open(run_dir: Path, demand: RunDemand) -> LocalCluster:
    return LocalCluster(run_dir, services=demand.services, ports=demand.ports)


def _refuse(demand: RunDemand) -> None:
    """Nothing: whatever it can do at all it does at any size and with any times."""


def _run_folders() -> tuple[Path, ...]:
    return LiveRun.run_folders(cache_directory())


def _lacking(service: ServiceSpec, build: bool) -> str:
    return lacking(service.local, build=build) if service.local is not None else ""


DRIVER = Driver(
    open_cluster=_open,
    refuse=_refuse,
    recover=recover_all,
    examine=examine,
    run_folders=_run_folders,
    lacking=_lacking,
    load_host=LoadOnThisMachine,
)
