"""ClientSideStateService: the session travels with the client, in a signed token.

A token is a JWT signed with HS256. The algorithm is pinned when it is read, since a token that
chooses its own could choose none; `exp` is required and enforced. Each update makes a new token
with fresh times. An old token stays valid until it expires: whoever sends one is back in the state
it carries, and this design cannot tell (docs/decisions/0030-replayed-tokens.md).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import jwt
from jwt.types import Options

from services.contract import ACTIVITY_WINDOW
from services.refusals import SessionExpired, Unauthenticated
from services.sessions.writes import REMEMBERED_WRITES, operation_digest
from services.shop.accounts import Account, Preferences

ALGORITHM: Final = "HS256"
_REQUIRED: Final = ["sub", "perm", "pref", "pv", "act", "ver", "iat", "exp", "jti"]


@dataclass(frozen=True, slots=True)
class ClientState:
    """What a token carries about its user."""

    user_id: int
    permissions: tuple[str, ...]
    preferences: Mapping[str, str]
    preferences_version: int
    """The database's count of changes that these preferences hold."""
    activity: tuple[str, ...] = ()
    version: int = 0
    """Writes applied since the login."""
    operations: tuple[str, ...] = ()
    """Digests of the last writes' operations, oldest first."""

    def knows(self, operation: str) -> bool:
        """Whether a write with this name is in the state."""
        return bool(operation) and operation_digest(operation) in self.operations

    def after(self, operation: str) -> ClientState:
        """The same state, which knows its last write by this name."""
        if not operation:
            return self
        operations = (*self.operations, operation_digest(operation))[-REMEMBERED_WRITES:]
        return replace(self, operations=operations)

    def with_preferences(self, newest: Preferences) -> ClientState:
        """The state after a change of preferences."""
        return replace(
            self,
            preferences=newest.values,
            preferences_version=newest.version,
            version=self.version + 1,
        )

    def with_action(self, action: str) -> ClientState:
        """The state after one more action."""
        window = (*self.activity, action)[-ACTIVITY_WINDOW:]
        return replace(self, activity=window, version=self.version + 1)

    def with_cart_change(self) -> ClientState:
        """The state after a change of the cart, which travels beside the token."""
        return replace(self, version=self.version + 1)


def initial_state(account: Account) -> ClientState:
    """What a login hands out."""
    return ClientState(
        account.user_id, account.permissions, account.preferences.values, account.preferences.version
    )


class ClientSideStateService:
    """Issues and reads tokens. The first key signs, all verify."""

    def __init__(self, keys: tuple[str, ...], ttl_s: float, now: Callable[[], float] = time.time) -> None:
        self._keys, self._ttl_s, self._now = keys, ttl_s, now

    def issue(self, state: ClientState) -> str:
        """A token with fresh times."""
        now = int(self._now())
        claims = {
            "sub": str(state.user_id),
            "perm": state.permissions,
            "pref": state.preferences,
            "pv": state.preferences_version,
            "act": state.activity,
            "ver": state.version,
            "ops": state.operations,
            "iat": now,
            "exp": now + int(self._ttl_s),
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._keys[0], algorithm=ALGORITHM)

    def read(self, token: str) -> ClientState:
        """What a token carries. Raises SessionExpired, or Unauthenticated for one that is not ours."""
        claims = self._claims(token)
        return ClientState(
            user_id=int(claims["sub"]),
            permissions=tuple(claims["perm"]),
            preferences=claims["pref"],
            preferences_version=claims["pv"],
            activity=tuple(claims["act"]),
            version=claims["ver"],
            operations=tuple(claims.get("ops", ())),
        )

    def _claims(self, token: str) -> dict[str, Any]:
        for key in self._keys:
            try:
                # Not `iat`: a pod whose clock is a second behind would refuse what its neighbour issued.
                options: Options = {"require": _REQUIRED, "verify_iat": False}
                return jwt.decode(token, key, algorithms=[ALGORITHM], options=options)
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise SessionExpired("this token is too old: log in again") from None
            except jwt.InvalidTokenError:
                break
        raise Unauthenticated("this token is not ours")
