"""StatefulConnectionManagement: a database connection for each session, with its statements prepared.

The first query of a session opens its connection and has the server parse and plan the statements;
later ones only execute them. It ends with the session. What this costs is visible: a replica has a
limit, PostgreSQL has one for all replicas, and a session that finds none left is refused at once.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Final

import psycopg
from prometheus_client import Counter, Gauge
from psycopg.rows import TupleRow

from services.database import OPTIONS, Connection
from services.metrics import Metrics
from services.refusals import DatabaseUnavailable, Overloaded
from services.sessions.protocol import Ended

CONNECT_TIMEOUT_S: Final = 2
TIMEOUT_S: Final = 1.0
"""How long a request waits while another one of its session uses the connection."""


@dataclass(slots=True)
class _Held:
    """A session's connection; `None` until it is connected, and again once it is broken."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    connection: Connection | None = None
    opened_at_s: float = 0.0
    uses: int = 0
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Used:
    """Rows, and the connection that brought them. Times are Unix times in seconds."""

    rows: list[TupleRow]
    opened_at_s: float
    uses: int
    """Queries of this session on this connection, this one included."""


class StatefulConnectionManagement:
    """The connections of all sessions of a replica. Fulfils `fault_tolerance.Holder`."""

    def __init__(self, database_url: str, limit: int, metrics: Metrics) -> None:
        self._url, self._limit = database_url, limit
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        Gauge(
            "statefall_database_connections",
            "Database connections that sessions hold on this replica.",
            registry=metrics.registry,
        ).set_function(lambda: float(len(self._held)))
        self._refused = Counter(
            "statefall_database_connections_refused",
            "Queries refused because no connection was left for their session.",
            registry=metrics.registry,
        )

    def open(self) -> None:
        """Connections are opened by the sessions' first queries."""

    def query(self, key: str, statement: str, parameters: tuple[object, ...]) -> Used:
        """Execute a prepared statement on the session's own connection.

        Raises Overloaded when there is none left or it is busy, DatabaseUnavailable when the database fails.
        """
        held = self._hold(key)
        if not held.lock.acquire(timeout=TIMEOUT_S):
            self._refused.inc()
            raise Overloaded("this session's database connection is busy")
        try:
            if held.given_up:
                raise DatabaseUnavailable("this database connection was closed meanwhile; ask again")
            connection = held.connection or self._connect(held)
            rows = connection.execute(statement.encode(), parameters, prepare=True).fetchall()
            held.uses += 1
            return Used(rows, held.opened_at_s, held.uses)
        except psycopg.OperationalError as error:
            self._give_up(key, held)
            raise DatabaseUnavailable("the database does not answer") from error
        except Overloaded:
            self._give_up(key, held)
            raise
        finally:
            held.lock.release()

    def held_sessions(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._held)

    def session_gone(self, key: str, ended: Ended | None) -> None:
        with self._lock:
            held = self._held.get(key)
        # One that is busy is found again at the next look; a closing session does not wait for it.
        if held is not None and held.lock.acquire(blocking=False):
            try:
                self._give_up(key, held)
            finally:
                held.lock.release()

    def session_moved(self, key: str) -> None:
        self.session_gone(key, None)  # where the session is now, it gets another one

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            held = list(self._held.values())
            self._held.clear()
        for each in held:
            if each.connection is not None:
                each.connection.close()

    def _hold(self, key: str) -> _Held:
        with self._lock:
            held = self._held.get(key)
            if held is None:
                if len(self._held) >= self._limit:
                    self._refused.inc()
                    raise Overloaded(f"all {self._limit} database connections for sessions are taken")
                held = self._held[key] = _Held()
            return held

    def _connect(self, held: _Held) -> Connection:
        try:
            held.connection = Connection.connect(
                self._url,
                connect_timeout=CONNECT_TIMEOUT_S,
                application_name="statefall-session",
                **OPTIONS,
            )
        except psycopg.OperationalError as error:
            # The server's own limit has no error code on this side of a connection, only words:
            # "too many clients already", "too many connections for role", "remaining connection slots".
            if "too many" in str(error) or "connection slots" in str(error):
                self._refused.inc()
                raise Overloaded("the database takes no more connections") from error
            raise
        held.opened_at_s = time.time()
        return held.connection

    def _give_up(self, key: str, held: _Held) -> None:
        """Close and forget; the caller has its lock."""
        held.given_up = True
        with self._lock:
            if self._held.get(key) is held:
                del self._held[key]
        if held.connection is not None:
            held.connection.close()
            held.connection = None
