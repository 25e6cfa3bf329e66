"""StatelessServiceWithCaching: what every replica may look up instead of asking the database.

The cache is shared, so that the next request may be answered by any replica, and it is only ever a
copy: without it the service is slower, not wrong and not down. A key names what it caches, whose it
is and in which partition it lies: each user belongs to one tenant, all keys of a tenant have the
same hash tag (so Redis Cluster keeps them on one node) and can be removed together (see `purge`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from services.metrics import Cached, CacheResult, Metrics
from services.store import Store, StoreUnavailable

TENANTS: Final = 16
FORMAT: Final = 1
"""Raise it whenever the content of some entry changes: old and new replicas share the store while one
replaces the other, and neither should read what the other wrote."""

_Value = TypeVar("_Value")


def tenant_of(user_id: int) -> str:
    """The tenant a user belongs to: always the same one."""
    return f"tenant-{user_id % TENANTS}"


def partition(tenant: str) -> str:
    """What all keys of a tenant begin with; the braces are the cluster's hash tag."""
    return f"cache:{FORMAT}:{{{tenant}}}:"


COMMON: Final = "common"
"""The partition of what belongs to no user."""


def user_key(cached: Cached, user_id: int) -> str:
    """The key of a user's entry."""
    return f"{partition(tenant_of(user_id))}{cached}:{user_id}"


def common_key(cached: Cached, name: str) -> str:
    """The key of an entry that all users share."""
    return f"{partition(COMMON)}{cached}:{name}"


class StatelessServiceWithCaching:
    """Cache-aside on the shared store. No method raises when the store is down; it counts that."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics

    def find(self, cached: Cached, key: str, read: Callable[[bytes], _Value | None]) -> _Value | None:
        """What `read` makes of the cached copy; None without one, or when `read` finds it too old."""
        try:
            document = self._store.get(key)
        except StoreUnavailable:
            self._metrics.cache_request(cached, CacheResult.UNAVAILABLE)
            return None
        value = read(document) if document is not None else None
        if value is None:
            self._metrics.cache_request(cached, CacheResult.MISS if document is None else CacheResult.STALE)
        else:
            self._metrics.cache_request(cached, CacheResult.HIT)
        return value

    def keep(self, key: str, document: bytes, ttl_s: float) -> None:
        """Leave a copy for the next reader."""
        try:
            self._store.put(key, document, ttl_s)
        except StoreUnavailable:
            return  # counted by the store; the next reader asks the database again

    def forget(self, key: str) -> None:
        """Remove the copy, since what it shows has changed."""
        try:
            self._store.delete(key)
        except StoreUnavailable:
            return  # counted by the store; versions tell readers who know better that the copy is old
