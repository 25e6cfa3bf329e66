"""Slows down those who guess passwords, whichever replica they ask.

Wrong passwords are counted for the user who is guessed at and for the address that guesses, in the
store, so that all replicas count together; while the store is away each counts for itself, in
bounded memory. Right ones are not counted: any number of shoppers may log in from one address. A
count begins with the first failure and ends a window later, whatever happens in between.

What this does not do: who guesses at a user keeps that user from logging in meanwhile, as with every
limit by user (sessions that are open go on). And between the look at a count and its increase others
may be let through, so a limit can be passed by as many attempts as there are threads.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter

from services.metrics import Metrics
from services.refusals import BadCredentials, Throttled
from services.settings import Settings
from services.store import Call, Script, Store, StoreUnavailable

REMEMBERED: Final = 10_000
"""Counts that a replica keeps by itself while the store is away; the oldest goes first."""
_IPV6_PREFIX: Final = 64
"""What one subscriber has at least: single IPv6 addresses are free to take."""

# Answers the count and the milliseconds until it ends. One script, because a count that was begun
# without its end would never end.
_LOOK: Final = Script(
    "throttle_look",
    "return {tonumber(redis.call('GET', KEYS[1]) or '0'), redis.call('PTTL', KEYS[1])}",
    writes=False,
)
_COUNT: Final = Script(
    "throttle_count",
    """
    local count = redis.call('INCR', KEYS[1])
    if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
    return count
    """,
    writes=False,  # nobody was promised anything: no need to wait for the store's replicas
)


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures one user or address may have."""

    by: str
    """`user` or `address`."""
    key: str
    failures: int


@dataclass(frozen=True, slots=True)
class Count:
    """Failures so far, and how long they count."""

    failures: int
    left_s: float


class LoginThrottle:
    """Guards the login. Never fails because of the store."""

    def __init__(self, settings: Settings, store: Store, metrics: Metrics) -> None:
        self._settings, self._store = settings, store
        self._own = OwnCounts(settings.login_window_s)
        self._throttled = Counter(
            "statefall_logins_throttled",
            "Logins refused before the password was looked at, by what had too many failures.",
            ["by"],
            registry=metrics.registry,
        )
        for by in ("user", "address"):
            self._throttled.labels(by)

    @contextmanager
    def attempt(self, user: str, address: str | None) -> Iterator[None]:
        """Check the credentials inside. Raises Throttled instead, or counts the BadCredentials raised."""
        limits = [limit for limit in self._limits(user, address) if limit.failures > 0]
        for limit in limits:
            count = self._look(limit)
            if count.failures >= limit.failures:
                self._throttled.labels(limit.by).inc()
                raise Throttled("too many wrong passwords: try again later", count.left_s)
        try:
            yield
        except BadCredentials:
            for limit in limits:
                self._count(limit)
            raise

    def _limits(self, user: str, address: str | None) -> tuple[Limit, Limit]:
        name = hashlib.sha256(user.encode()).hexdigest()[:32]  # users may send anything as a name
        return (
            Limit("user", f"throttle:user:{name}", self._settings.login_failures_per_user),
            Limit(
                "address", f"throttle:address:{network(address)}", self._settings.login_failures_per_address
            ),
        )

    def _look(self, limit: Limit) -> Count:
        try:
            failures, left_ms = self._store.run(Call(_LOOK, [limit.key], []))
        except StoreUnavailable:
            return self._own.look(limit.key)
        return Count(failures, max(0, left_ms) / 1000)

    def _count(self, limit: Limit) -> None:
        try:
            self._store.run(Call(_COUNT, [limit.key], [int(self._settings.login_window_s * 1000)]))
        except StoreUnavailable:
            self._own.count(limit.key)


class OwnCounts:
    """Counts of this replica alone, for the time without a store. Safe for several threads."""

    def __init__(
        self, window_s: float, capacity: int = REMEMBERED, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._window_s, self._capacity, self._clock = window_s, capacity, clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def look(self, key: str) -> Count:
        """The count now."""
        with self._lock:
            return self._look(key)

    def count(self, key: str) -> None:
        """One more failure."""
        with self._lock:
            now = self._look(key)
            left_s = now.left_s if now.failures else self._window_s
            self._counts[key] = (now.failures + 1, self._clock() + left_s)
            if len(self._counts) > self._capacity:
                self._counts.popitem(last=False)

    def _look(self, key: str) -> Count:
        failures, end = self._counts.get(key, (0, 0.0))
        left_s = end - self._clock()
        return Count(failures, left_s) if left_s > 0 else Count(0, 0.0)


def network(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or the network that an IPv6 address lies in."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False).network_address)
    return str(parsed)
