"""StatelessLimitations: what was computed for a user is thrown away with the answer.

Profile and history are fetched and the recommendations computed again on each request. The setting
`STATEFALL_RECOMMENDATION_TTL_S` puts the result into the shared cache instead: then the computation
is saved, and a request still pays for its token, its profile and the way to the store.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from services.metrics import Cached
from services.shop.accounts import Account
from services.shop.history import History
from services.shop.recommendations import Taste
from services.shop.recommender import FAVOURITE, Recommendation, Recommendations, Recommender
from services.stateless.caching import StatelessServiceWithCaching, user_key
from services.stateless.request_overhead import Overhead, StatelessRequestOverhead

DEFAULT_TTL_S = 0.0
"""Nothing is kept, unless a setting says so."""


class StatelessRecommendations:
    """Computes for each request; keeps results in the shared cache for `ttl_s` unless that is 0."""

    def __init__(
        self,
        history: History,
        recommender: Recommender,
        cache: StatelessServiceWithCaching,
        overhead: StatelessRequestOverhead,
        ttl_s: float,
    ) -> None:
        self._history, self._recommender, self._cache = history, recommender, cache
        self._overhead, self._ttl_s = overhead, ttl_s

    def of(self, account: Account) -> Recommendations:
        """What this user may like. Raises services.refusals.Unavailable."""
        if not self._ttl_s:
            return self._compute(account)
        version, key = account.preferences.version, user_key(Cached.RECOMMENDATIONS, account.user_id)
        cached = self._cache.find(Cached.RECOMMENDATIONS, key, lambda found: _load(found, version))
        if cached is not None:
            return cached
        computed = self._compute(account)
        self._cache.keep(key, _dump(computed, version), self._ttl_s)
        return computed

    def _compute(self, account: Account) -> Recommendations:
        with self._overhead.paying_for(Overhead.RECOMPUTATION):
            bought = self._history.bought(account.user_id)
            return self._recommender.recommend(Taste(bought, account.preferences.values.get(FAVOURITE, "")))


def _dump(computed: Recommendations, preferences_version: int) -> bytes:
    content = {
        "preferences_version": preferences_version,
        "computed_at_s": computed.computed_at_s,
        "items": [asdict(item) for item in computed.items],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def _load(document: bytes, preferences_version: int) -> Recommendations | None:
    """None when the preferences have changed since."""
    content = json.loads(document)
    if content["preferences_version"] != preferences_version:
        return None
    items = tuple(Recommendation(**item) for item in content["items"])
    return Recommendations(items, content["computed_at_s"], cached=True)
