"""All connections to a healthy store are in use: an overload of the replica, and no outage of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import redis

from services import contract
from services.breaker import FAILURES
from services.contract import ErrorCode
from services.metrics import Metrics
from services.settings import SessionDesign
from services.store import BACKGROUND_CONNECTIONS, Store, StoreBusy
from tests.services.backing import Valkey
from tests.services.conftest import MakeReplica
from tests.services.serving import KEY
from tests.services.shopper import Shopper, error_code, sample


def pool_of(store: Store) -> redis.ConnectionPool:
    """Of a store that is one server."""
    client = store.client
    assert isinstance(client, redis.Redis)
    return client.connection_pool


@contextmanager
def all_held(store: Store) -> Iterator[None]:
    """Nobody else gets a connection meanwhile."""
    pool, held = pool_of(store), []
    try:
        with suppress(redis.MaxConnectionsError):
            while True:
                held.append(pool.get_connection())
        yield
    finally:
        for connection in held:
            pool.release(connection)


def test_a_full_pool_is_not_held_against_the_store(valkey: Valkey) -> None:
    metrics = Metrics("pod", "boot")
    store = Store(valkey.url, metrics, connections=1)
    store.put("k", b"v", 60)
    with all_held(store):
        for _ in range(FAILURES + 1):
            with pytest.raises(StoreBusy) as refused:
                store.get("k")
            assert refused.value.code is ErrorCode.OVERLOADED
    value = metrics.registry.get_sample_value
    assert value("statefall_store_breaker_open") == 0
    assert store.get("k") == b"v"
    assert value("statefall_store_refusals_total", {"reason": "connections"}) == FAILURES + 1
    assert value("statefall_store_errors_total", {"call": "get"}) is None
    store.close()


def test_a_session_is_refused_and_not_shown_without_what_the_store_has(make_replica: MakeReplica) -> None:
    replica = make_replica("stateful", state=SessionDesign.EXTERNAL, state_keys=(KEY,), threads=2)
    shopper = Shopper(replica, 71)
    shopper.login()
    with all_held(replica.store):
        answer = shopper.send("GET", contract.PROFILE)
    assert (answer.status_code, error_code(answer)) == (503, "overloaded")
    assert shopper.get(contract.PROFILE)["user_id"] == 71
    assert sample(replica, "statefall_sessions_degraded_total") == 0


def test_there_is_a_connection_for_each_websocket_where_there_are_websockets(
    make_replica: MakeReplica,
) -> None:
    sizes = [
        pool_of(make_replica(twin, threads=3, websockets=50).store).max_connections
        for twin in ("stateless", "stateful")
    ]
    assert sizes == [3 + BACKGROUND_CONNECTIONS, 53 + BACKGROUND_CONNECTIONS]
