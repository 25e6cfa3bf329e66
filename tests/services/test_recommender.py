"""The purchases are read in the background when somebody first asks, and nobody waits long for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from services import contract
from services.shop.recommender import TIMEOUT_S
from tests.services.backing import wait_until
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code

GENEROUS_S = 5 * TIMEOUT_S


@contextmanager
def locked_products(database_url: str) -> Iterator[None]:
    """Nobody can read the products meanwhile."""
    with psycopg.connect(database_url) as connection:
        connection.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def test_a_request_is_refused_while_they_are_being_read_and_everything_else_is_answered(
    make_replica: MakeReplica, database_url: str
) -> None:
    shopper = Shopper(make_replica("stateless"), 90)
    assert shopper.login().status_code == 200
    with locked_products(database_url):
        there = shopper.moved_to(make_replica("stateless", pod="pod-b"))
        assert there.send("GET", contract.READY).status_code == 200
        began_s = time.monotonic()
        answer = there.send("GET", contract.RECOMMENDATIONS)
        assert time.monotonic() - began_s < GENEROUS_S
        assert (answer.status_code, error_code(answer)) == (503, "database_unavailable")
        assert there.send("GET", contract.LIVE).status_code == 200
        assert there.get(contract.PROFILE)["user_id"] == 90
    wait_until(lambda: there.send("GET", contract.RECOMMENDATIONS).status_code == 200, "they were read")
    assert len(there.get(contract.RECOMMENDATIONS)["items"]) == 10
