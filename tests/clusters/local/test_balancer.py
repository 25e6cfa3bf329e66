"""The balancer's start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from statefall.clusters.local.directories import replace_file
from statefall.clusters.local.infrastructure import plain_environment
from statefall.clusters.local.ports import Ports
from statefall.clusters.local.processes import RECORD, Spawner
from statefall.clusters.local.programs import find_programs
from statefall.clusters.local.routing import Route
from statefall.clusters.local.traefik import Traefik
from statefall.clusters.protocol import ClusterError

Start = Callable[[Path], Traefik]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start this program as a balancer, and nothing else that one would wait for."""
    ports = Ports(None, tmp_path / "ports")
    spawner = Spawner(tmp_path / RECORD, "balancer-test")

    def started(program: Path) -> Traefik:
        balancer = Traefik(program, ports.take("balancer"), ports.take("control"))
        balancer.start(spawner, tmp_path, tmp_path / "log", plain_environment(), lambda child: None)
        return balancer

    yield started
    assert spawner.close() == []
    ports.release_all()


def test_a_balancer_that_is_ready_can_be_told_its_endpoints(start: Start) -> None:
    balancer = start(find_programs().traefik)
    balancer.await_ready()
    balancer.tell(Route("c1", sticky=False))  # refused with 404 before the providers are loaded
    assert httpx.get(f"http://{balancer.entry.address}").status_code == 503, (
        "the route is there, without pods"
    )


def test_a_balancer_that_cannot_start_is_told_with_its_own_message(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "traefik"
    replace_file(program, b"#!/bin/sh\necho no such entry point\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(ClusterError, match="did not start: no such entry point"):
        start(program).await_ready()
