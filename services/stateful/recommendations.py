"""StatefulPerformanceOptimizations: what was computed for a user stays in the memory of this replica.

Two caches: the user's profile of purchases, so that a change of preferences costs the computation
but no query, and the finished recommendations, so that most requests cost neither. Both are copies:
a replica that does not have them computes the same again, only later. What a user loses with a
replica here is time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from flask import Flask, Response

from services import contract
from services.metrics import Cached, CacheResult, Metrics
from services.sessions.session import Session
from services.shop.history import History
from services.shop.recommendations import Taste
from services.shop.recommender import FAVOURITE, Recommendations, Recommender, shown
from services.stateful.answers import session_answer, session_cookie
from services.stateful.lookup import Lookup
from services.ttl_cache import TtlCache

DEFAULT_TTL_S: Final = 1800.0
"""How long recommendations are kept, unless a setting says otherwise."""
CAPACITY: Final = 10_000
"""Users whose profiles and recommendations one replica keeps: about 3 KiB each."""


class StatefulPerformanceOptimizations:
    """Recommendations from memory, on profiles in memory."""

    def __init__(
        self, lookup: Lookup, history: History, recommender: Recommender, metrics: Metrics, ttl_s: float
    ) -> None:
        self._lookup, self._history = lookup, history
        self._recommender, self._metrics = recommender, metrics
        self._profiles: TtlCache[int, tuple[tuple[int, int], ...]] = TtlCache(ttl_s, CAPACITY)
        self._finished: TtlCache[int, tuple[int, Recommendations]] = TtlCache(ttl_s, CAPACITY)

    def register(self, app: Flask) -> None:
        """Add the route."""
        app.add_url_rule(contract.RECOMMENDATIONS, "recommendations", self.recommendations)

    def recommendations(self) -> Response:
        """What the user may like."""
        session = self._lookup.load(session_cookie())
        return session_answer(session, **shown(self.of(session)))

    def of(self, session: Session) -> Recommendations:
        """What this session's user may like. Raises services.refusals.Unavailable."""
        cached = self._finished.get(session.user_id)
        if cached is not None and cached[0] == session.preferences_version:
            self._metrics.cache_request(Cached.RECOMMENDATIONS, CacheResult.HIT)
            return replace(cached[1], cached=True)
        missed = CacheResult.MISS if cached is None else CacheResult.STALE
        self._metrics.cache_request(Cached.RECOMMENDATIONS, missed)
        taste = Taste(self._profile(session.user_id), session.preferences.get(FAVOURITE, ""))
        computed = self._recommender.recommend(taste)
        self._finished.put(session.user_id, (session.preferences_version, computed))
        return computed

    def _profile(self, user_id: int) -> tuple[tuple[int, int], ...]:
        cached = self._profiles.get(user_id)
        self._metrics.cache_request(Cached.PURCHASES, CacheResult.MISS if cached is None else CacheResult.HIT)
        if cached is None:
            cached = self._history.bought(user_id)
            self._profiles.put(user_id, cached)
        return cached
