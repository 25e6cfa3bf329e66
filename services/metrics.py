"""What a replica counts of itself; every replica has a registry of its own, so tests share nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

REMEMBERED_OPERATIONS: Final = 65_536
"""How many operation ids a replica remembers to tell a repeated send; older ones count as new."""
MAX_OPERATION_CHARS: Final = 128

_FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each counter, that nobody reads


class Cached(StrEnum):
    """What is cached, in the process or in the store; the label `cache`."""

    PROFILE = "profile"
    PRODUCT_PAGE = "product_page"
    RECOMMENDATIONS = "recommendations"
    PURCHASES = "purchases"
    DASHBOARD = "dashboard"


class CacheResult(StrEnum):
    """How a look-up in a cache ended; the label `result`."""

    HIT = "hit"
    MISS = "miss"
    STALE = "stale"
    """There was a copy, and it was known to be too old."""
    UNAVAILABLE = "unavailable"
    """The store did not answer."""


class RecentlySeen:
    """A bounded set of the newest keys; safe to use from several threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        return hash(key) in self._keys

    def add(self, key: str) -> bool:
        """Remember the key; True when it was already there."""
        # 64 bits of the key stand for it: a few bytes each, and a collision in ten billion.
        short = hash(key)
        with self._lock:
            seen = short in self._keys
            self._keys[short] = None
            if len(self._keys) > self._capacity:
                self._keys.popitem(last=False)
            return seen


class StoreMetrics:
    """What calls to the store take, and what becomes of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "statefall_store_seconds",
            "Calls to the store, failed ones included.",
            ["call"],
            buckets=_FAST,
            registry=registry,
        )
        self.errors = Counter(
            "statefall_store_errors", "Calls to the store that failed.", ["call"], registry=registry
        )
        self.refusals = Counter(
            "statefall_store_refusals",
            "Calls turned away: store out of memory (capacity), known to be down (breaker), all connections"
            " in use, waited for in vain by this request before.",
            ["reason"],
            registry=registry,
        )
        for reason in ("breaker", "capacity", "connections", "request"):
            self.refusals.labels(reason)
        self.breaker_open = Gauge(
            "statefall_store_breaker_open", "1 while calls to the store are refused.", registry=registry
        )


class Metrics:
    """The collectors of one replica."""

    def __init__(self, pod: str, boot: str) -> None:
        self.registry = CollectorRegistry()
        replica_info = Gauge(
            "statefall_replica_info", "Always 1; who this is.", ["pod", "boot"], registry=self.registry
        )
        replica_info.labels(pod, boot).set(1)
        ProcessCollector(registry=self.registry)
        self.sessions_active = Gauge(
            "statefall_sessions_active", "Sessions that live here now.", registry=self.registry
        )
        self.sessions_created = Counter(
            "statefall_sessions_created", "Sessions begun by a login.", registry=self.registry
        )
        self._lost = Counter(
            "statefall_sessions_lost",
            "Distinct sessions that came here and were unknown, by what their cookie tells.",
            ["cause"],
            registry=self.registry,
        )
        self.forged = Counter(
            "statefall_forged", "Cookies and tokens whose signature is not ours.", registry=self.registry
        )
        self.requests = Counter(
            "statefall_requests",
            "Answers by route and outcome (ok or the error code).",
            ["route", "outcome"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "statefall_request_seconds",
            "From the first look at a request to its answer.",
            ["route"],
            buckets=_FAST,
            registry=self.registry,
        )
        self.store = StoreMetrics(self.registry)
        self._cache_requests = Counter(
            "statefall_cache_requests",
            "Look-ups in a cache by how they ended; hits over all is the hit ratio.",
            ["cache", "result"],
            registry=self.registry,
        )
        self._operations = Counter(
            "statefall_operations",
            "Requests with an operation id, by whether the id was here before.",
            ["repeated"],
            registry=self.registry,
        )
        self.repeated_writes = Counter(
            "statefall_repeated_writes",
            "Writes that came again with the id of a write before, and were answered as that one.",
            registry=self.registry,
        )
        for repeated in ("yes", "no"):
            self._operations.labels(repeated)
        self._seen_operations = RecentlySeen(REMEMBERED_OPERATIONS)
        self._seen_lost = RecentlySeen(REMEMBERED_OPERATIONS)

    def operation(self, operation: str) -> None:
        """Count one arrival of an operation id."""
        repeated = self._seen_operations.add(operation)
        self._operations.labels("yes" if repeated else "no").inc()

    def cache_request(self, cached: Cached, result: CacheResult) -> None:
        """Count one look-up in a cache."""
        self._cache_requests.labels(cached.value, result.value).inc()

    def lost(self, session_key: str, cause: str) -> None:
        """Count a session that is not here, once for each session however often its user asks."""
        if not self._seen_lost.add(session_key):
            self._lost.labels(cause).inc()

    def may_lose_by(self, causes: Iterable[str]) -> None:
        """Show these causes from the start: a series that begins with a loss hides it from `increase`."""
        for cause in causes:
            self._lost.labels(cause)

    def count_sessions_with(self, active: Callable[[], int]) -> None:
        """Ask `active` at each scrape, so that the figure is never behind."""
        self.sessions_active.set_function(lambda: float(active()))

    def exposition(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self.registry)
