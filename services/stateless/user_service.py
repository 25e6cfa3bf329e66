"""StatelessUserService: users from the shared cache or the database, never from this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from services.shop.accounts import Account, Accounts, Preferences
from services.store import Store, StoreUnavailable


class StatelessUserService:
    """Profiles come from the cache, else the database, else 404; without the cache it is slower, not down."""

    def __init__(self, accounts: Accounts, store: Store, ttl_s: float) -> None:
        self._accounts, self._store, self._ttl_s = accounts, store, ttl_s

    def profile(self, user_id: int, known_version: int) -> Account:
        """The user's profile, with preferences at least as new as `known_version`.

        A reader may put an old profile into the cache just after a change removed it, and a removal
        may fail. The version that the client has seen tells such a copy from a good one. Raises NotFound.
        """
        cached = self._cached(user_id)
        if cached is not None and cached.preferences.version >= known_version:
            return cached
        account = self._accounts.account(user_id)
        try:
            self._store.put(_key(user_id), _dump(account), self._ttl_s)
        except StoreUnavailable:
            return account  # counted by the store; the next reader asks the database again
        return account

    def set_preferences(self, user_id: int, changes: Mapping[str, str]) -> Preferences:
        """Write the database, then forget the cached profile. Raises NotFound, BadRequest."""
        newest = self._accounts.merge_preferences(user_id, changes)
        try:
            self._store.delete(_key(user_id))
        except StoreUnavailable:
            return newest  # counted by the store; readers who know of this change see through the old copy
        return newest

    def _cached(self, user_id: int) -> Account | None:
        try:
            document = self._store.get(_key(user_id))
        except StoreUnavailable:
            return None
        return _load(document) if document else None


def _key(user_id: int) -> str:
    return f"profile:{user_id}"


def _dump(account: Account) -> bytes:
    return json.dumps(asdict(account), separators=(",", ":")).encode()


def _load(document: bytes) -> Account:
    fields = json.loads(document)
    fields["preferences"] = Preferences(**fields["preferences"])
    fields["permissions"] = tuple(fields["permissions"])
    return Account(**fields)
