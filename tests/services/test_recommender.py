"""The purchases are read in the background when a replica starts, and nobody waits long for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from services import contract
from services.database import Database
from services.refusals import Unavailable
from services.shop.catalogue import Catalogue
from services.shop.recommender import READING_TIMEOUT_S, Recommender
from tests.services.backing import free_port, wait_until
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code

GENEROUS_S = 5.0


@contextmanager
def locked_products(database_url: str) -> Iterator[None]:
    """Nobody can read the products meanwhile."""
    with psycopg.connect(database_url) as connection:
        connection.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def test_they_are_read_before_anybody_asks(database_url: str) -> None:
    database = Database(database_url, connections=1)
    recommender = Recommender(database, Catalogue(database), rounds=1)
    database.open()
    recommender.open()
    try:
        wait_until(lambda: recommender._read_once.is_set(), "the purchases were read")
        recommender.check()
    finally:
        recommender.close()
        database.close()


def test_a_request_is_refused_while_they_are_being_read_and_everything_else_is_answered(
    make_replica: MakeReplica, database_url: str
) -> None:
    shopper = Shopper(make_replica("stateless"), 90)
    assert shopper.login().status_code == 200
    with locked_products(database_url):
        there = shopper.moved_to(make_replica("stateless", pod="pod-b"))
        began_s = time.monotonic()
        answer = there.send("GET", contract.RECOMMENDATIONS)
        assert time.monotonic() - began_s < GENEROUS_S
        assert (answer.status_code, error_code(answer)) == (503, "store_unavailable")
        assert there.send("GET", contract.LIVE).status_code == 200
        assert there.send("GET", contract.READY).get_json()["failing"] == ["purchases"]
        assert there.get(contract.PROFILE)["user_id"] == 90
    wait_until(lambda: there.send("GET", contract.READY).status_code == 200, "it is ready")
    assert len(there.get(contract.RECOMMENDATIONS)["items"]) == 10


def test_readiness_does_not_wait_for_ever() -> None:
    database = Database(f"postgresql://shop@127.0.0.1:{free_port()}/postgres", connections=1)
    times = iter((0.0, READING_TIMEOUT_S - 1, READING_TIMEOUT_S + 1))
    recommender = Recommender(database, Catalogue(database), rounds=1, clock=lambda: next(times))
    database.open()
    recommender.open()
    try:
        with pytest.raises(Unavailable, match="still being read"):
            recommender.check()
        recommender.check()
    finally:
        database.close()
        recommender.close()
