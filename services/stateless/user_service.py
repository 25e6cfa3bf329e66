"""StatelessUserService: users from the shared cache or the database, never from this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from services.metrics import Cached
from services.shop.accounts import Account, Accounts, Preferences
from services.stateless.caching import StatelessServiceWithCaching, user_key
from services.stateless.request_overhead import Overhead, StatelessRequestOverhead


class StatelessUserService:
    """Profiles come from the cache, else the database, else 404; without the cache it is slower, not down."""

    def __init__(
        self,
        accounts: Accounts,
        cache: StatelessServiceWithCaching,
        overhead: StatelessRequestOverhead,
        ttl_s: float,
    ) -> None:
        self._accounts, self._cache, self._overhead, self._ttl_s = accounts, cache, overhead, ttl_s

    def profile(self, user_id: int, known_version: int) -> Account:
        """The user's profile, with preferences at least as new as `known_version`.

        A reader may put an old profile into the cache just after a change removed it, and a removal
        may fail. The version that the client has seen tells such a copy from a good one. Raises NotFound.
        """
        with self._overhead.paying_for(Overhead.PREFERENCE_FETCH):
            key = user_key(Cached.PROFILE, user_id)
            cached = self._cache.find(Cached.PROFILE, key, lambda found: _load(found, known_version))
            if cached is not None:
                return cached
            account = self._accounts.account(user_id)
            self._cache.keep(key, _dump(account), self._ttl_s)
            return account

    def set_preferences(self, user_id: int, changes: Mapping[str, str]) -> Preferences:
        """Write the database, then forget the cached profile. Raises NotFound, BadRequest."""
        newest = self._accounts.merge_preferences(user_id, changes)
        self._cache.forget(user_key(Cached.PROFILE, user_id))
        return newest


def _dump(account: Account) -> bytes:
    return json.dumps(asdict(account), separators=(",", ":")).encode()


def _load(document: bytes, known_version: int) -> Account | None:
    """None when the client has seen newer preferences."""
    fields = json.loads(document)
    fields["preferences"] = Preferences(**fields["preferences"])
    fields["permissions"] = tuple(fields["permissions"])
    account = Account(**fields)
    return account if account.preferences.version >= known_version else None
