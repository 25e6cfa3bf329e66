"""The real twins on the real shop: what the default experiment stands on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from services.contract import LOGIN, POD_HEADER, PROFILE, SESSION_HEADER
from statefall.clusters.local import LocalCluster
from statefall.clusters.protocol import Transition
from statefall.conductor.services import twins
from statefall.records.cells import CellSpec
from statefall.records.terms import Balancer, Service, StateDesign
from tests.clusters.local.watching import Watch


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    cluster = LocalCluster(tmp_path_factory.mktemp("twins"), services=(twins(),))
    cluster.open()
    yield cluster
    cluster.close()


def log_in(cluster: LocalCluster, user: int) -> httpx.Client:
    client = httpx.Client(base_url=cluster.base_url, timeout=30.0)
    answer = client.post(LOGIN, json={"user": f"user{user}", "password": "shopper"})
    assert answer.status_code == 200, answer.text
    if token := answer.json().get("token"):
        client.headers["Authorization"] = f"Bearer {token}"
    client.headers["x-home"] = answer.headers[POD_HEADER]
    return client


def test_a_sticky_session_in_memory_is_lost_with_its_pod_and_no_other(cluster: LocalCluster) -> None:
    cluster.deploy(CellSpec("m1", Service.STATEFUL, StateDesign.MEMORY, Balancer.STICKY, 3))
    clients = [log_in(cluster, user) for user in range(1, 7)]
    victim = cluster.pods()[0]
    watch = Watch(cluster)
    cluster.kill(victim)
    watch.until(victim, Transition.ENDPOINTS, "open")
    for client in clients:
        answer = client.get(PROFILE)
        lost = client.headers["x-home"] == victim.name
        assert answer.status_code == (401 if lost else 200), answer.text
        assert answer.headers[SESSION_HEADER] == ("lost" if lost else "known")
        client.close()
    assert sum(client.headers["x-home"] == victim.name for client in clients) == 2
    figures = "".join(map(cluster.metrics, cluster.pods()))
    counts = re.findall(r"statefall_sessions_lost_total\{.*} (\S+)", figures)
    assert sum(map(float, counts)) == 2
    cluster.withdraw()
    watch.end()


def test_a_session_with_the_client_survives_the_death_of_a_pod(cluster: LocalCluster) -> None:
    cluster.deploy(CellSpec("s1", Service.STATELESS, StateDesign.CLIENT, Balancer.PLAIN, 3))
    with closing(log_in(cluster, 1)) as client:
        victim = cluster.pods()[0]
        watch = Watch(cluster)
        cluster.kill(victim)
        watch.until(victim, Transition.ENDPOINTS, "open")
        answers = [client.get(PROFILE) for _ in range(6)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers[POD_HEADER] for answer in answers} == {pod.name for pod in cluster.pods()}
    cluster.withdraw()
    watch.end()


def test_the_data_is_prepared_once(cluster: LocalCluster, tmp_path: Path, cache: Path) -> None:
    before = {path: path.stat().st_ino for path in (cache / "templates").iterdir() if path.is_dir()}
    again = LocalCluster(tmp_path, services=(twins(),))
    try:
        again.open()
    finally:
        again.close()
    after = {path: path.stat().st_ino for path in (cache / "templates").iterdir() if path.is_dir()}
    assert before == after
