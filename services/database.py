"""The connections to PostgreSQL: one pool for each replica, with short patience.

A statement that hangs would hold one of the replica's threads, so everything has a deadline; an
outage becomes `Unavailable` (503), never a wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from services.refusals import Unavailable

CHECKOUT_TIMEOUT_S: Final = 2.0
STATEMENT_TIMEOUT_MS: Final = 3000

Connection = psycopg.Connection[TupleRow]


class Database:
    """A pool of connections in autocommit mode. Open it after the fork: connections do not survive one."""

    def __init__(self, url: str, *, connections: int) -> None:
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            min_size=min(4, connections),
            max_size=connections,
            open=False,
            timeout=CHECKOUT_TIMEOUT_S,
            # A first failure is tried again soon: replicas start beside the database.
            reconnect_timeout=30.0,
            kwargs={
                "autocommit": True,
                "connect_timeout": 3,
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
                "application_name": "statefall",
            },
        )

    def open(self) -> None:
        """Begin to connect in the background; does not wait."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close(timeout=2.0)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for a few statements. Raises Unavailable when there is none or it breaks."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except psycopg.OperationalError as error:  # PoolTimeout is one of them
            raise Unavailable("the database does not answer") from error

    def row(self, statement: str, parameters: tuple[Any, ...]) -> TupleRow | None:
        """The first row, or None. Raises Unavailable."""
        with self.connection() as connection:
            return connection.execute(statement.encode(), parameters).fetchone()

    def rows(self, statement: str, parameters: tuple[Any, ...]) -> list[TupleRow]:
        """All rows. Raises Unavailable."""
        with self.connection() as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    def check(self) -> None:
        """Raises Unavailable unless a statement is answered now."""
        self.row("SELECT 1", ())
