"""From a URL to a client of the store: one server, a Sentinel's primary, or a cluster.

Whichever it is, a command is sent once. redis-py repeats a failed command by default, and a repeated
write may be applied twice; a redirection (MOVED, ASK) is followed, because the node that sends one
did nothing.

A connection that none is left for is refused with `redis.MaxConnectionsError`, whichever client it is: that
says nothing of the store.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import SplitResult, unquote

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from services.background import AskedOnce
from services.store_cluster import ClusterClient
from services.urls import ONE_SERVER, SENTINEL, hosts, read_store_url

TIMEOUT_S: Final = 0.3
"""For a connection, and again for an answer, while a shopper waits for it."""
COMMAND_TIMEOUT_S: Final = 10.0
"""The same for an operator's command (backup, restore, purge): it has to finish, not to be quick."""
SENTINELS: Final = 2
"""So many timeouts for all Sentinels together: one may be silent. redis-py remembers which one answers."""

Client = redis.Redis | RedisCluster
"""What both can do is used of them: keys, scripts, scans."""


def _once() -> Retry:
    return Retry(NoBackoff(), 0)


class _Idle(queue.LifoQueue[Any]):
    """A pool's idle connections. redis-py would call a wait in vain for one a lost connection."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return super().get(block, timeout)
        except queue.Empty:
            raise redis.MaxConnectionsError("all connections are in use") from None


class _Sentinels(Sentinel):
    """redis-py would wait for each Sentinel in turn; nobody waits here for longer than for SENTINELS."""

    def __init__(self, sentinels: list[tuple[str, int]], timeout_s: float, **options: Any) -> None:
        self._timeout_s = timeout_s
        super().__init__(sentinels, **options)  # type: ignore[no-untyped-call]
        self._asking = AskedOnce[tuple[str, int]](super().discover_master, "sentinels")

    def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            return self._asking.answer(SENTINELS * self._timeout_s, service_name)
        except TimeoutError:
            raise redis.TimeoutError("no Sentinel answers") from None


def connector(url: str, connections: int, timeout_s: float = TIMEOUT_S) -> Callable[[], Client]:
    """What makes the client, which waits for `timeout_s`. Raises ValueError that says what the URL lacks.

    It is called when the client is first needed, because a cluster's asks its nodes at once: then it raises
    one of `store_cluster.STORE_ERRORS` when they do not answer in time.

    | URL                                                    | store                                |
    |--------------------------------------------------------|--------------------------------------|
    | `redis://[user:password@]host:port/db`, `rediss`, `unix` | one server                         |
    | `redis+sentinel://[user:password@]h1:p1,h2:p2/NAME`    | the primary that Sentinels call NAME |
    | `redis+cluster://[user:password@]h1:p1,h2:p2`          | a cluster, found through any of these |
    """
    parts = read_store_url(url)
    if parts.scheme in ONE_SERVER:
        return lambda: redis.Redis.from_pool(
            redis.BlockingConnectionPool.from_url(
                url,
                max_connections=connections,
                timeout=timeout_s,
                queue_class=_Idle,
                **_timeouts(timeout_s),
                retry=_once(),
            )
        )
    if parts.scheme == SENTINEL:
        return _sentinel(parts, connections, timeout_s)
    return _cluster(parts, connections, timeout_s)


def _sentinel(parts: SplitResult, connections: int, timeout_s: float) -> Callable[[], Client]:
    name = parts.path.strip("/")

    def connect() -> Client:
        sentinel = _Sentinels(
            hosts(parts),
            timeout_s,
            sentinel_kwargs={**_timeouts(timeout_s), "retry": _once()},
            **_timeouts(timeout_s),
            retry=_once(),
        )
        client: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
            name, **_credentials(parts), max_connections=connections
        )
        return client

    return connect


def _cluster(parts: SplitResult, connections: int, timeout_s: float) -> Callable[[], Client]:
    def connect() -> ClusterClient:
        return ClusterClient(
            startup_nodes=[ClusterNode(host, port) for host, port in hosts(parts)],
            retry=_once(),
            max_connections=connections,
            **_credentials(parts),
            **_timeouts(timeout_s),
        )

    connecting = AskedOnce(connect, "cluster-connect", keep=True)

    def connected() -> Client:
        try:
            return connecting.answer(timeout_s)
        except TimeoutError:
            raise redis.TimeoutError("no node of the cluster answers") from None

    return connected


def _timeouts(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "health_check_interval": 0,
        "protocol": 2,  # the third only adds a handshake and server pushes that nothing here reads
    }


def _credentials(parts: SplitResult) -> dict[str, Any]:
    return {
        name: unquote(value)
        for name, value in (("username", parts.username), ("password", parts.password))
        if value
    }
