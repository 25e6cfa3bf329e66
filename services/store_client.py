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
"""For a connection, and again for an answer."""
SENTINELS_S: Final = 2 * TIMEOUT_S
"""For all Sentinels together: one may be silent. Which one answers is remembered by redis-py."""

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
    """redis-py would wait for each Sentinel in turn; nobody waits here for longer than SENTINELS_S."""

    def __init__(self, sentinels: list[tuple[str, int]], **options: Any) -> None:
        super().__init__(sentinels, **options)  # type: ignore[no-untyped-call]
        self._asking = AskedOnce[tuple[str, int]](super().discover_master, "sentinels")

    def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            return self._asking.answer(SENTINELS_S, service_name)
        except TimeoutError:
            raise redis.TimeoutError("no Sentinel answers") from None


def connector(url: str, connections: int) -> Callable[[], Client]:
    """What makes the client. Raises ValueError that says what is wrong with the URL.

    It is called when the client is first needed, because a cluster's asks its nodes at once: then it raises
    one of `store_cluster.STORE_ERRORS` when they do not answer within TIMEOUT_S.

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
                timeout=TIMEOUT_S,
                queue_class=_Idle,
                **_patience(),
                retry=_once(),
            )
        )
    if parts.scheme == SENTINEL:
        return _sentinel(parts, connections)
    return _cluster(parts, connections)


def _sentinel(parts: SplitResult, connections: int) -> Callable[[], Client]:
    name = parts.path.strip("/")

    def connect() -> Client:
        sentinel = _Sentinels(
            hosts(parts), sentinel_kwargs={**_patience(), "retry": _once()}, **_patience(), retry=_once()
        )
        client: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
            name, **_credentials(parts), max_connections=connections
        )
        return client

    return connect


def _cluster(parts: SplitResult, connections: int) -> Callable[[], Client]:
    def connect() -> ClusterClient:
        return ClusterClient(
            startup_nodes=[ClusterNode(host, port) for host, port in hosts(parts)],
            retry=_once(),
            max_connections=connections,
            **_credentials(parts),
            **_patience(),
        )

    connecting = AskedOnce(connect, "cluster-connect", keep=True)

    def connected() -> Client:
        try:
            return connecting.answer(TIMEOUT_S)
        except TimeoutError:
            raise redis.TimeoutError("no node of the cluster answers") from None

    return connected


def _patience() -> dict[str, Any]:
    return {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "health_check_interval": 0,
        "protocol": 2,  # the third only adds a handshake and server pushes that nothing here reads
    }


def _credentials(parts: SplitResult) -> dict[str, Any]:
    return {
        name: unquote(value)
        for name, value in (("username", parts.username), ("password", parts.password))
        if value
    }
