"""A database that stands still: it accepts what is sent, and answers nothing."""

from __future__ import annotations

import os
import signal
import time

import psycopg
import pytest

from services.database import ANSWER_TIMEOUT_S, OPTIONS, Connection, Database
from services.refusals import Unavailable
from tests.services.backing import wait_until

GENEROUS_S = 5 * ANSWER_TIMEOUT_S


def backends(url: str, name: str) -> list[int]:
    """The processes that serve the connections of this name."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [name])
        return [int(pid) for (pid,) in rows]


def test_a_server_that_stands_still_is_not_waited_for_and_comes_back(database_url: str) -> None:
    database = Database(database_url, connections=1)
    database.open()
    try:
        wait_until(lambda: database.row("SELECT 1", ()) == (1,), "connected")
        (stopped,) = backends(database_url, "statefall")
        os.kill(stopped, signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            with pytest.raises(Unavailable):
                database.check()
            assert time.monotonic() - began_s < GENEROUS_S
        finally:
            os.kill(stopped, signal.SIGCONT)
        wait_until(lambda: database.row("SELECT 2", ()) == (2,), "another connection serves")
    finally:
        database.close()


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
