"""A namespace of the tests' own on whatever cluster kubectl would talk to, open for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from statefall.clusters.kubernetes import KubernetesCluster, RunTarget
from statefall.clusters.kubernetes.api.access import configuration
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.target import DEFAULT_IMAGE
from statefall.clusters.protocol import Pod
from statefall.records.cells import CellSpec
from statefall.records.terms import Balancer, Service, StateDesign
from tests.kubernetes.timeline import WORKER, Timeline, all_ready, wait_until

IMAGE = os.environ.get("STATEFALL_IMAGE", DEFAULT_IMAGE)


def target(name: str = f"statefall-test-{WORKER}", *, image: str = IMAGE) -> RunTarget:
    return replace(RunTarget.from_environment(), namespace=name, image=image)


def deployment(name: str = "c1", **fields: Any) -> CellSpec:
    given: dict[str, Any] = {
        "service": Service.STATEFUL,
        "state": StateDesign.MEMORY,
        "balancer": Balancer.STICKY,
        "replicas": 3,
        **fields,
    }
    return CellSpec(name=name, **given)


@pytest.fixture(scope="session")
def opened() -> Iterator[KubernetesCluster]:
    """An open cluster without a deployment."""
    cluster = KubernetesCluster(Path("tests"), target=target())
    try:
        cluster.open()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """The API server as the tests' own namespace sees it."""
    found = Api(configuration(target()), target().namespace)
    yield found
    found.close()


@pytest.fixture(scope="module")
def running(opened: KubernetesCluster) -> Iterator[KubernetesCluster]:
    """Three replicas for a file of tests; every test leaves three ready ones behind."""
    opened.deploy(deployment())
    yield opened
    opened.withdraw()


@pytest.fixture
def pods(running: KubernetesCluster) -> tuple[Pod, ...]:
    return wait_until(running, all_ready(3), "three replicas are ready")


@pytest.fixture
def timeline(opened: KubernetesCluster) -> Iterator[Timeline]:
    """What happens during the test."""
    found = Timeline()
    end = opened.subscribe(found)
    yield found
    end()
