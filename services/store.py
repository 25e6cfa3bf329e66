"""The client of the shared store (Valkey or Redis): no retries, short patience, every call measured.

redis-py repeats a failed command by default, and a repeated write may be applied twice; here a
call is sent once and its failure is the caller's to handle.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.metrics import Metrics
from services.refusals import Unavailable

TIMEOUT_S: Final = 0.3


class StoreUnavailable(Unavailable):
    """The store did not answer in time; whether a write was applied is unknown."""


class Store:
    """Byte strings by key, each with a time to live. Raises StoreUnavailable from every call."""

    def __init__(self, url: str, metrics: Metrics, *, connections: int) -> None:
        self._metrics = metrics
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            protocol=2,  # the third only adds a handshake and server pushes that nothing here reads
        )
        self.client = redis.Redis.from_pool(pool)

    def open(self) -> None:
        """Connections are made when first used."""

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    @contextmanager
    def measured(self, call: str) -> Iterator[None]:
        """Time what is inside as one call and turn its failure into StoreUnavailable."""
        begin = time.perf_counter()
        try:
            yield
        except redis.RedisError as error:
            self._metrics.store_errors.labels(call).inc()
            raise StoreUnavailable("the store does not answer") from error
        finally:
            self._metrics.store_seconds.labels(call).observe(time.perf_counter() - begin)

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        with self.measured("get"):
            found = self.client.get(key)
            return found if isinstance(found, bytes) else None

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Write the value; it vanishes after `ttl_s`."""
        with self.measured("put"):
            self.client.set(key, value, px=max(1, int(ttl_s * 1000)))

    def delete(self, key: str) -> None:
        """Remove the key, if it is there."""
        with self.measured("delete"):
            self.client.delete(key)

    def check(self) -> None:
        """Raises StoreUnavailable unless the store answers now."""
        with self.measured("ping"):
            self.client.ping()
