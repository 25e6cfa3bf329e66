"""A database that stands still: it accepts what is sent, and answers nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import psutil
import psycopg
import pytest

from services import contract
from services.database import ANSWER_TIMEOUT_S, OPTIONS, Connection, Database
from services.refusals import Unavailable
from services.settings import SessionDesign
from services.shop.generate import Parameters
from services.shop.prepare import prepare
from tests.services.backing import Valkey, postgres, together, wait_until
from tests.services.sessions.processes import Browser, replicas

GENEROUS_S = 5 * ANSWER_TIMEOUT_S


def backends(url: str, name: str) -> list[int]:
    """The processes that serve the connections of this name."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [name])
        return [int(pid) for (pid,) in rows]


@contextmanager
def connected(url: str) -> Iterator[tuple[Database, int]]:
    """A pool of one connection, and the process that serves it; goes on afterwards if it was stopped."""
    database = Database(url, connections=1)
    database.open()
    try:
        wait_until(lambda: database.row("SELECT 1", ()) == (1,), "connected")
        (process,) = backends(url, "statefall")
        try:
            yield database, process
        finally:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(process, signal.SIGCONT)
    finally:
        database.close()


@contextmanager
def standing_still(url: str) -> Iterator[None]:
    """All processes of a server are stopped meanwhile, the one that begins others first."""
    with psycopg.connect(url) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
    assert server is not None
    stopped = [server]
    server.suspend()
    try:
        for process in server.children():
            with suppress(psutil.NoSuchProcess):  # the one that served this function ends
                process.suspend()
                stopped.append(process)
        yield
    finally:
        for process in reversed(stopped):
            process.resume()


def test_a_server_that_stands_still_is_not_waited_for_and_comes_back(database_url: str) -> None:
    with connected(database_url) as (database, process):
        os.kill(process, signal.SIGSTOP)
        began_s = time.monotonic()
        with pytest.raises(Unavailable):
            database.check()
        assert time.monotonic() - began_s < GENEROUS_S
        os.kill(process, signal.SIGCONT)
        wait_until(lambda: database.row("SELECT 2", ()) == (2,), "another connection serves")


def test_a_connection_without_an_answer_is_closed(database_url: str) -> None:
    with Connection.connect(database_url, application_name="alone", **OPTIONS) as connection:
        (stopped,) = backends(database_url, "alone")
        os.kill(stopped, signal.SIGSTOP)
        try:
            with pytest.raises(psycopg.OperationalError, match="no answer within"):
                connection.execute("SELECT 1")
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert connection.closed


def test_the_end_of_a_transaction_is_not_waited_for_either(database_url: str) -> None:
    with connected(database_url) as (database, process):

        def stop_before_the_end() -> None:
            with database.connection() as connection, connection.transaction():
                connection.execute("SELECT 1")
                os.kill(process, signal.SIGSTOP)

        began_s = time.monotonic()
        with pytest.raises(Unavailable):
            stop_before_the_end()
        assert time.monotonic() - began_s < GENEROUS_S


def test_a_service_refuses_while_its_database_stands_still_and_recovers(valkey: Valkey) -> None:
    """The whole server, so that new connections find nobody either; more requests than threads."""
    with ExitStack() as servers:
        database_url = servers.enter_context(postgres())
        prepare(database_url, Parameters(seed=1, users=10, products=30))
        start = servers.enter_context(replicas(SessionDesign.MEMORY, database_url, valkey.url))
        served = start("pod-a", THREADS="4", RECOMMENDATION_TTL_S="0")
        browser = Browser(1)
        browser.login(served)
        assert browser.send(served, "GET", contract.RECOMMENDATIONS).status == 200
        assert browser.send(served, "GET", contract.ORDERS).status == 200
        with standing_still(database_url):
            ask = partial(browser.send, served, "GET")
            paths = [contract.RECOMMENDATIONS, contract.ORDERS, contract.READY] * 3
            answers = together([partial(ask, path) for path in paths])
        assert [answer.status for answer in answers] == [503] * len(paths)
        codes = [answer.body.get("error", {}).get("code") for answer in answers]
        assert codes[0] == "database_unavailable"
        # An order that waits behind another one of its session is told that the connection is busy.
        assert set(codes) <= {"database_unavailable", "overloaded", None}
        assert max(answer.took_s for answer in answers) < GENEROUS_S

        def answered(path: str) -> bool:
            return ask(path).status == 200

        for path in (contract.READY, contract.RECOMMENDATIONS, contract.ORDERS):
            wait_until(partial(answered, path), f"{path} is answered again")
