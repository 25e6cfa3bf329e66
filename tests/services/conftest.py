"""The shop's database and store, started once, and replicas of both twins on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Protocol

import pytest

from services.replica import Replica
from services.settings import Environment, Settings
from services.shop.generate import Parameters
from services.shop.prepare import prepare
from services.stateful.app import create as create_stateful
from services.stateless.app import create as create_stateless
from tests.services.backing import Valkey, postgres
from tests.services.live import Serve, replicas
from tests.services.serving import KEY, Served

SHOP = Parameters(seed=1, users=2_000, products=300)


class MakeReplica(Protocol):
    """Starts a replica of a twin; settings can be changed by name."""

    def __call__(self, twin: str, **changes: Any) -> Replica: ...


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    with postgres() as url:
        prepare(url, SHOP)
        yield url


@pytest.fixture(scope="session")
def running_valkey() -> Iterator[Valkey]:
    server = Valkey()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(running_valkey: Valkey) -> Valkey:
    """The store, empty."""
    running_valkey.start()
    running_valkey.client.flushall()
    return running_valkey


@pytest.fixture
def make_replica(database_url: str, valkey: Valkey) -> Iterator[MakeReplica]:
    base = Settings(
        pod="pod-a",
        database_url=database_url,
        store_url=valkey.url,
        keys=(KEY,),
        environment=Environment.LOCAL,
        threads=8,
    )
    with ExitStack() as replicas:

        def make(twin: str, **changes: Any) -> Replica:
            create = {"stateless": create_stateless, "stateful": create_stateful}[twin]
            replica = create(replace(base, **changes))
            replica.open()
            replicas.callback(replica.close)
            return replica

        yield make


@pytest.fixture
def start(database_url: str, valkey: Valkey) -> Iterator[Serve]:
    """Starts replicas of the stateful twin, each as its own processes."""
    with replicas(database_url, valkey) as start:
        yield start


@pytest.fixture(scope="module")
def served(database_url: str, running_valkey: Valkey) -> Iterator[Served]:
    """One for all tests of a module that do not end it; each has users and channels of its own."""
    running_valkey.start()  # another module may have left it stopped
    with replicas(database_url, running_valkey) as start:
        yield start()


@pytest.fixture(params=["stateless", "stateful"])
def twin(request: pytest.FixtureRequest) -> str:
    """Runs a test once for each twin."""
    return str(request.param)


@pytest.fixture
def replica(make_replica: MakeReplica, twin: str) -> Replica:
    return make_replica(twin)
