"""Users as the database knows them: who they are, their password, their lasting preferences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from services.database import Database
from services.refusals import BadCredentials, BadRequest, NotFound
from services.shop import passwords
from services.shop.catalogue import MAX_ID

MAX_PREFERENCES: Final = 16
"""Names a user may have preferences for; bounds what a token has to carry."""

_USER_NAME: Final = re.compile(r"user([1-9][0-9]{0,9})", re.ASCII)
_COLUMNS: Final = "id, name, email, preferences, preferences_version, permissions, joined_at"


@dataclass(frozen=True, slots=True)
class Preferences:
    """A user's preferences as of a certain change of them."""

    values: dict[str, str]
    version: int
    """The database's count of changes; of two copies, the one with more is newer."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user."""

    user_id: int
    name: str
    email: str
    preferences: Preferences
    permissions: tuple[str, ...]
    joined_at_s: float
    """Unix time."""


class Accounts:
    """The users. Raises services.refusals.Unavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def authenticate(self, user: str, password: str) -> Account:
        """The account of these credentials. Raises BadCredentials, without saying what was wrong."""
        name = _USER_NAME.fullmatch(user)
        number = int(name[1]) if name else 0
        row = None
        if 0 < number <= MAX_ID:
            row = self._database.row(
                f"SELECT {_COLUMNS}, password_hash FROM users WHERE id = %s",  # noqa: S608
                (number,),
            )
        if not passwords.matches(row[-1] if row else None, password) or row is None:
            raise BadCredentials("unknown user or wrong password")
        return _account(row[:-1])

    def account(self, user_id: int) -> Account:
        """One account. Raises NotFound."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM users WHERE id = %s", (user_id,))  # noqa: S608
        if row is None:
            raise NotFound(f"there is no user {user_id}")
        return _account(row)

    def merge_preferences(self, user_id: int, changes: Mapping[str, str]) -> Preferences:
        """Merge changes into what is there, in one statement; returns all. Raises NotFound, BadRequest."""
        added = Jsonb(dict(changes))
        row = self._database.row(
            """
            UPDATE users SET preferences = preferences || %s, preferences_version = preferences_version + 1
            WHERE id = %s AND (SELECT count(*) FROM jsonb_object_keys(preferences || %s)) <= %s
            RETURNING preferences, preferences_version
            """,
            (added, user_id, added, MAX_PREFERENCES),
        )
        if row is None:
            self.account(user_id)
            raise BadRequest(f"preferences: a user can have at most {MAX_PREFERENCES} of them")
        return Preferences(row[0], row[1])


def _account(row: tuple[Any, ...]) -> Account:
    number, name, email, preferences, version, permissions, joined_at = row
    return Account(
        number, name, email, Preferences(preferences, version), tuple(permissions), joined_at.timestamp()
    )
