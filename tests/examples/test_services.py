"""Each example on real replicas: somebody logs in and fills a cart, every replica is killed, and the cart
is there or it is not, as the framework's documentation says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from statefall.clusters.local import LocalCluster
from statefall.clusters.local.builds import lacking
from statefall.clusters.protocol import Transition
from statefall.conductor.services import read_service
from statefall.records.cells import CellSpec
from statefall.records.service import ServiceSpec
from statefall.records.terms import Balancer
from tests.clusters.local.watching import Watch, wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted([*EXAMPLES.glob("*/service.yaml"), *EXAMPLES.glob("django/*.yaml")])
SURVIVES = {
    "django-cache": True,
    "django-cached-db": True,
    "django-database": True,
    "express-memory": False,
    "flask-cookie": True,
    "flask-valkey": True,
    "go-scs": False,
    "starlette-cookie": True,
}
"""Whether a session outlives all processes that knew it."""

pytestmark = pytest.mark.shipped


@pytest.fixture(scope="module")
def reasons() -> dict[str, str]:
    """Why a service cannot run on this machine; what has to be built is built."""
    found = {}
    for file in FILES:
        service = read_service(file)
        assert service.local is not None
        found[service.name] = lacking(service.local, build=True)
    return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    services = tuple(map(read_service, FILES))
    cluster = LocalCluster(tmp_path_factory.mktemp("examples"), services=services)
    cluster.open()
    yield cluster
    cluster.close()


@contextmanager
def deployed(cluster: LocalCluster, service: ServiceSpec, balancer: Balancer) -> Iterator[None]:
    cluster.deploy(
        CellSpec(f"{service.name}-{balancer}", service.name, service.state, balancer, 2, under_test=service)
    )
    try:
        yield
    finally:
        cluster.withdraw()


class Shopper:
    """A browser that stays on one page's token, as a shop's own pages would."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=60.0, follow_redirects=True)
        page = self.client.get("/login").text
        self.hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', page))

    def log_in(self, name: str) -> httpx.Response:
        return self.client.post("/login", data={**self.hidden, "username": name, "password": "x"})

    def add(self, product: str) -> httpx.Response:
        return self.client.post("/cart", data={**self.hidden, "product": product})

    def __enter__(self) -> Shopper:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def look(self) -> httpx.Response:
        return self.client.get("/cart")


@pytest.mark.parametrize("file", FILES, ids=lambda file: read_service(file).name)
def test_a_session_outlives_its_replicas_or_not(
    file: Path, cluster: LocalCluster, reasons: dict[str, str]
) -> None:
    service = read_service(file)
    if reason := reasons[service.name]:
        pytest.skip(reason)
    with deployed(cluster, service, Balancer.STICKY), Shopper(cluster.base_url) as shopper:
        assert shopper.look().url.path == "/login" or shopper.look().status_code == 401
        assert shopper.log_in("ann").json() == {"username": "ann", "cart": {}}
        assert [shopper.add(product).status_code for product in ("7", "9", "7")] == [201] * 3
        assert shopper.look().json() == {"username": "ann", "cart": {"7": 2, "9": 1}}
        watch = Watch(cluster)
        for pod in cluster.pods():
            cluster.kill(pod)
        for pod in cluster.pods():
            watch.until(pod, Transition.READY)
        watch.end()
        # One that starts at once is ready again before the balancer was told anything.
        wait_until(lambda: shopper.look().status_code < 500, "the balancer leads to the new processes")
        after = shopper.look()
        if SURVIVES[service.name]:
            assert after.json() == {"username": "ann", "cart": {"7": 2, "9": 1}}
        else:
            assert after.status_code == 401


def test_every_service_is_told_of_in_the_experiment_or_beside_it() -> None:
    names = [read_service(file).name for file in FILES]
    assert sorted(names) == sorted(SURVIVES)
    readme = (EXAMPLES / "README.md").read_text()
    folders = {file.parent.name for file in FILES}
    assert [folder for folder in folders if f"`{folder}/" not in readme] == []


def test_a_cache_of_each_process_forgets_what_another_replica_wrote(
    cluster: LocalCluster, reasons: dict[str, str]
) -> None:
    service = read_service(EXAMPLES / "django" / "cached-db.yaml")
    if reason := reasons[service.name]:
        pytest.skip(reason)
    with deployed(cluster, service, Balancer.PLAIN), Shopper(cluster.base_url) as shopper:
        shopper.log_in("ann")
        assert {shopper.add("7").status_code for _ in range(8)} == {201}
        seen = [shopper.look().json()["cart"]["7"] for _ in range(4)]
        assert max(seen) < 8, "each replica added to what it remembered, over what the other had written"
