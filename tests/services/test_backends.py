"""What is behind a replica may fail: calls end soon, are sent once, and say so."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from services import contract, timeout_budget
from services.breaker import FAILURES
from services.database import Database
from services.metrics import Metrics
from services.refusals import Unavailable
from services.store import Store, StoreUnavailable
from services.store_client import TIMEOUT_S
from tests.services.backing import Valkey, free_port
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code

SETUP = b"SETINFO"  # what redis-py sends when it connects


class Mute:
    """Speaks just enough of the store's protocol to be sent a command, and never answers one."""

    def __init__(self, *, hang_up: bool) -> None:
        self.commands: list[bytes] = []
        self._hang_up = hang_up
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:  # closed: the test is over
                return
            with peer:
                while data := peer.recv(4096):
                    if SETUP in data:
                        peer.sendall(b"+OK\r\n" * data.count(SETUP))
                        continue
                    self.commands.append(data)
                    if self._hang_up:
                        break


@pytest.fixture(params=["hangs up", "hangs"])
def mute(request: pytest.FixtureRequest) -> Iterator[Mute]:
    server = Mute(hang_up=request.param == "hangs up")
    yield server
    server.close()


@pytest.fixture
def a_request() -> Iterator[None]:
    """The test is one."""
    timeout_budget.begin()
    yield
    timeout_budget.end()


def test_a_command_without_an_answer_is_sent_once_and_given_up(mute: Mute) -> None:
    store = Store(mute.url, Metrics("pod", "boot"), connections=2)
    with pytest.raises(StoreUnavailable):
        store.put("k", b"v", 1)
    store.close()
    assert [command.count(b"\r\nSET\r\n") for command in mute.commands] == [1]


@pytest.mark.usefixtures("a_request")
@pytest.mark.parametrize(("mute", "sent"), [("hangs", 1), ("hangs up", FAILURES)], indirect=["mute"])
def test_one_request_waits_in_vain_once_and_the_next_one_again(mute: Mute, sent: int) -> None:
    metrics = Metrics("pod", "boot")
    store = Store(mute.url, metrics, connections=2)
    for _ in range(FAILURES):
        with pytest.raises(StoreUnavailable):
            store.put("k", b"v", 1)
    assert len(mute.commands) == sent
    refused = metrics.registry.get_sample_value("statefall_store_refusals_total", {"reason": "request"})
    assert refused == FAILURES - sent
    if sent < FAILURES:  # else the breaker is open
        timeout_budget.begin()
        with pytest.raises(StoreUnavailable):
            store.put("k", b"v", 1)
        assert len(mute.commands) == sent + 1
    store.close()


def test_silent_sentinels_are_not_waited_for_one_after_the_other() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sentinels = ",".join([f"127.0.0.1:{silent.getsockname()[1]}"] * 8)
        store = Store(f"redis+sentinel://{sentinels}/shop", Metrics("pod", "boot"), connections=2)
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.get("k")
        assert time.monotonic() - begin < 4 * TIMEOUT_S
        store.close()


def test_an_idle_connection_that_died_is_replaced_before_sending(valkey: Valkey) -> None:
    store = Store(valkey.url, Metrics("pod", "boot"), connections=1)
    store.put("k", b"v", 60)
    valkey.stop()
    valkey.start()
    assert store.get("k") is None  # the store is empty, and no error was seen
    store.close()


def test_the_store_measures_calls_and_errors(valkey: Valkey) -> None:
    metrics = Metrics("pod", "boot")
    store = Store(valkey.url, metrics, connections=1)
    store.put("k", b"v", 60)
    assert store.get("k") == b"v"
    valkey.stop()
    for call in (store.check, lambda: store.delete("k")):
        with pytest.raises(StoreUnavailable):
            call()
    store.close()
    value = metrics.registry.get_sample_value
    assert value("statefall_store_seconds_count", {"call": "get"}) == 1
    assert value("statefall_store_seconds_count", {"call": "delete"}) == 1
    assert value("statefall_store_errors_total", {"call": "delete"}) == 1
    assert value("statefall_store_errors_total", {"call": "get"}) is None


def test_an_unreachable_database_is_unavailable() -> None:
    database = Database(f"postgresql://shop@127.0.0.1:{free_port()}/postgres", connections=1)
    database.open()
    try:
        with pytest.raises(Unavailable, match="the database does not answer"):
            database.check()
    finally:
        database.close()


def test_without_a_database_a_replica_lives_but_is_not_ready(make_replica: MakeReplica, twin: str) -> None:
    replica = make_replica(twin, database_url=f"postgresql://shop@127.0.0.1:{free_port()}/postgres")
    shopper = Shopper(replica)
    assert shopper.send("GET", contract.LIVE).status_code == 200
    ready = shopper.send("GET", contract.READY)
    assert ready.status_code == 503
    assert ready.get_json() == {"ready": False, "failing": ["database"]}
    answer = shopper.login()
    assert (answer.status_code, error_code(answer)) == (503, "database_unavailable")


def test_a_statement_that_hangs_is_ended(database_url: str) -> None:
    database = Database(database_url, connections=1)
    database.open()
    try:
        with pytest.raises(Unavailable):
            database.row("SELECT pg_sleep(200)", ())
        database.check()
    finally:
        database.close()
