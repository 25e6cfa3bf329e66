"""The shop's database and store, started once, and both twins as applications on them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.shop.generate import Parameters
from services.shop.prepare import prepare
from tests.services.backing import Valkey, postgres

SHOP = Parameters(seed=1, users=2_000, products=300)


@pytest.fixture(scope="session")
def empty_database_url() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(scope="session")
def database_url(empty_database_url: str) -> str:
    prepare(empty_database_url, SHOP)
    return empty_database_url


@pytest.fixture(scope="session")
def _valkey() -> Iterator[Valkey]:
    server = Valkey()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(_valkey: Valkey) -> Valkey:
    _valkey.client.flushall()
    return _valkey
