"""What clients meet when replicas are killed: the balancer leads past them once it knows, and never hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from statefall.clusters.local import LocalCluster
from statefall.clusters.local.infrastructure import plain_environment
from statefall.clusters.local.ports import Ports
from statefall.clusters.local.processes import RECORD, Spawner
from statefall.clusters.local.programs import find_programs
from statefall.clusters.local.routing import Endpoint, Route
from statefall.clusters.local.traefik import Traefik
from statefall.clusters.protocol import Pod, Transition
from statefall.records.cells import CellSpec
from statefall.records.terms import Balancer
from tests.clusters.local.watching import Watch

Make = Callable[..., CellSpec]
AT_ONCE_S = 5.0
"""What a request that would hang takes longer than: the balancer waits 10 s for an answer."""


def kill_for_good(cluster: LocalCluster, watch: Watch, pod: Pod, control: Path) -> None:
    """Kill it and let its successor in place not get ready; back when the balancer knows."""
    (control / f"{pod.name}.unready").touch()
    cluster.kill(pod)
    watch.until(pod, Transition.CONTAINER_EXITED, "signal 9")
    watch.until(pod, Transition.ENDPOINTS, "closed")


@pytest.mark.parametrize("balancer", [Balancer.PLAIN, Balancer.STICKY])
def test_requests_go_to_the_others_until_none_is_left_and_then_fail_at_once(
    cluster: LocalCluster, deployment: Make, tmp_path: Path, balancer: Balancer
) -> None:
    cluster.deploy(deployment(balancer=balancer))
    pods = list(cluster.pods())
    watch = Watch(cluster)
    with httpx.Client(base_url=cluster.base_url, timeout=AT_ONCE_S) as client:
        home = client.get("/").json()["pod"]
        pods.sort(key=lambda pod: pod.name != home)  # a sticky client's home goes first
        while pods:
            kill_for_good(cluster, watch, pods.pop(0), tmp_path)
            left = {pod.name for pod in pods}
            answers = [client.get("/") for _ in range(12)]
            newcomers = [httpx.get(cluster.base_url, timeout=AT_ONCE_S) for _ in range(12)]
            assert {answer.status_code for answer in answers + newcomers} == {200 if left else 503}
            assert {answer.json()["pod"] for answer in newcomers if left} == left
            assert {answer.json()["pod"] for answer in answers if left} <= left
    watch.end()


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[Ports]:
    found = Ports(None, tmp_path / "ports")
    yield found
    found.release_all()


@pytest.fixture
def traefik(tmp_path: Path, ports: Ports) -> Iterator[Traefik]:
    """A balancer without a cluster, which nobody tells that an endpoint is gone."""
    spawner = Spawner(tmp_path / RECORD, "failover-test")
    balancer = Traefik(find_programs().traefik, ports.take("balancer"), ports.take("control"))
    balancer.start(spawner, tmp_path, tmp_path / "log", plain_environment(), lambda child: None)
    balancer.await_ready()
    yield balancer
    assert spawner.close() == []


@contextmanager
def counting_replica() -> Iterator[tuple[str, list[str]]]:
    """The address of one that answers, and the operations that came to it."""
    applied: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            applied.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        yield f"127.0.0.1:{server.server_port}", applied
        server.shutdown()
        serving.join()


def test_a_request_to_a_replica_that_is_gone_fails_at_once_and_is_not_sent_again(
    traefik: Traefik, ports: Ports
) -> None:
    with counting_replica() as (address, applied):
        gone = ports.take("gone").address  # held, so that it refuses connections
        endpoints = (Endpoint("gone", gone, fenced=False), Endpoint("here", address, fenced=False))
        traefik.tell(Route("c1", sticky=False, endpoints=endpoints))
        url = f"http://{traefik.entry.address}"
        statuses = [httpx.post(f"{url}/{n}", timeout=AT_ONCE_S).status_code for n in range(10)]
    assert sorted(statuses) == [200] * 5 + [502] * 5
    assert applied == [f"/{n}" for n, status in enumerate(statuses) if status == 200]


def test_with_every_replica_gone_and_the_balancer_not_told_each_request_fails_at_once(
    traefik: Traefik, ports: Ports
) -> None:
    endpoints = tuple(Endpoint(name, ports.take(name).address, fenced=False) for name in ("a", "b", "c"))
    traefik.tell(Route("c1", sticky=False, endpoints=endpoints))
    url = f"http://{traefik.entry.address}"
    assert {httpx.get(url, timeout=AT_ONCE_S).status_code for _ in range(6)} == {502}
