"""A cache of the tests' own, and an open cluster of small replicas."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from statefall.clusters.local import LocalCluster
from statefall.clusters.local.directories import CACHE_VARIABLE
from statefall.records.cells import CellSpec
from statefall.records.service import LocalReplicas, ServiceSpec
from statefall.records.terms import Balancer, Service, StateDesign

REPLICA = (sys.executable, str(Path(__file__).with_name("replica.py")))
SMALL = ServiceSpec(
    name="small",
    journey="",
    local=LocalReplicas(
        command=(*REPLICA, "--bind", "{address}"),
        ready="/ready",
        store=True,
        database=True,
        environment={
            "STATEFALL_POD": "{pod}",
            "STATEFALL_STATE": "{state}",
            "STATEFALL_DATABASE_URL": "{database}",
            "STATEFALL_STORE_URL": "{store}",
            "STATEFALL_JWT_KEYS": "{secret}",
        },
    ),
    metrics="/metrics",
)
"""Small replicas, which need no data."""


@pytest.fixture(scope="session", autouse=True)
def cache() -> Iterator[Path]:
    """Every user can enter it, unlike pytest's own folders."""
    folder = Path(tempfile.mkdtemp(prefix="statefall-test-cache-"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder))
        yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def make_cluster(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LocalCluster]:
    """A cluster of small replicas, not opened yet."""

    def make(**options: Any) -> LocalCluster:
        given: dict[str, Any] = {"services": (SMALL,), **options}
        return LocalCluster(tmp_path_factory.mktemp("run"), **given)

    return make


@pytest.fixture(scope="session")
def open_cluster(make_cluster: Callable[..., LocalCluster]) -> Iterator[LocalCluster]:
    cluster = make_cluster()
    cluster.open()
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(open_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """An open cluster with nothing deployed."""
    yield open_cluster
    open_cluster.withdraw()
    open_cluster.start_store()


@pytest.fixture
def deployment(tmp_path: Path) -> Callable[..., CellSpec]:
    """Three small replicas, controlled by files in `tmp_path`; anything can be changed by name."""

    def make(**changes: Any) -> CellSpec:
        settings = {"STATEFALL_TEST_CONTROL": str(tmp_path), **changes.pop("settings", {})}
        given: dict[str, Any] = {
            "name": "c1",
            "service": Service.STATEFUL,
            "state": StateDesign.MEMORY,
            "balancer": Balancer.PLAIN,
            "replicas": 3,
            **changes,
        }
        return CellSpec(**given, settings=settings)

    return make
