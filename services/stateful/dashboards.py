"""What a dashboard shows beyond the session, fetched from the database and cached for each user."""

from __future__ import annotations

from services.metrics import Cached, CacheResult, Metrics
from services.shop.history import History, Purchase
from services.ttl_cache import TtlCache

CAPACITY = 10_000
"""Users whose dashboards one replica keeps."""


class Dashboards:
    """Cached for `ttl_s`; a purchase shows up after that at the latest."""

    def __init__(self, history: History, metrics: Metrics, ttl_s: float) -> None:
        self._history, self._metrics = history, metrics
        self._cache: TtlCache[int, tuple[Purchase, ...]] = TtlCache(ttl_s, CAPACITY)

    def recent_purchases(self, user_id: int) -> tuple[Purchase, ...]:
        """Newest first. Raises services.refusals.Unavailable when they have to be fetched and cannot."""
        cached = self._cache.get(user_id)
        self._metrics.cache_request(Cached.DASHBOARD, CacheResult.MISS if cached is None else CacheResult.HIT)
        if cached is not None:
            return cached
        fetched = self._history.recent(user_id)
        self._cache.put(user_id, fetched)
        return fetched
