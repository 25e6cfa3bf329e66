"""The connections to PostgreSQL: one pool for each replica, with short timeouts.

A statement that hangs would hold one of the replica's threads, so everything has a deadline, also when
the server itself stands still and keeps none of its own; an outage becomes `Unavailable` (503), never a
wait.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from services.refusals import DatabaseUnavailable

CHECKOUT_TIMEOUT_S: Final = 2.0
STATEMENT_TIMEOUT_MS: Final = 3000

ANSWER_TIMEOUT_S: Final = 4.0
"""After the server's own timeout: a server that stands still, or is cut off, keeps none."""
OPTIONS: Final[dict[str, Any]] = {
    "autocommit": True,
    "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
    "tcp_user_timeout": int(ANSWER_TIMEOUT_S * 1000),
}
"""Of every connection of a replica."""


class _Late(Exception):
    """The answer did not come in time."""


class Connection(psycopg.Connection[TupleRow]):
    """One that waits for an answer for ANSWER_TIMEOUT_S, and is closed when none comes."""

    answer_timeout_s = ANSWER_TIMEOUT_S

    @contextmanager
    def allowing(self, statement_timeout_s: float) -> Iterator[None]:
        """For statements that may take longer: a transaction, to which the server's own timeout is bound."""
        self.answer_timeout_s = statement_timeout_s + 1.0
        try:
            with self.transaction():
                self.execute(f"SET LOCAL statement_timeout = {int(statement_timeout_s * 1000)}".encode())
                yield
        finally:
            self.answer_timeout_s = ANSWER_TIMEOUT_S

    def wait(self, gen: Generator[Any, Any, Any], *more: Any, **named: Any) -> Any:
        """Every wait of a connection goes through here. Raises psycopg.OperationalError."""
        try:
            return super().wait(_in_time(gen, self.answer_timeout_s), *more, **named)
        except _Late:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.answer_timeout_s:g} s") from None


def _in_time(generator: Generator[Any, Any, Any], timeout_s: float) -> Generator[Any, Any, Any]:
    """The same steps, until the time is over: psycopg looks in ten times a second while nothing comes."""
    deadline = time.monotonic() + timeout_s
    try:
        wanted = next(generator)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise _Late
            wanted = generator.send(ready)
    except StopIteration as done:
        return done.value


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
            connection_class=Connection,
            kwargs={**OPTIONS, "connect_timeout": 3, "application_name": "statefall"},
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
            raise DatabaseUnavailable("the database does not answer") from error

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
