"""StatefulUserService: logins, and what a user does with the session that a login makes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping

from services.sessions.protocol import SessionStore
from services.sessions.session import Session
from services.sessions.tickets import Tickets
from services.shop.accounts import Account, Accounts
from services.stateful.dashboards import Dashboards
from services.stateful.degraded import refuse_write
from services.stateful.lookup import Lookup
from services.stateful.places import Places
from services.store import StoreUnavailable


class StatefulUserService:
    """The session holds all that its user did; the database only what outlasts a session."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: SessionStore,
        tickets: Tickets,
        lookup: Lookup,
        dashboards: Dashboards,
        places: Places,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._accounts, self._sessions, self._tickets = accounts, sessions, tickets
        self._lookup, self._dashboards = lookup, dashboards
        self._places, self._now = places, now

    def login(self, user: str, password: str, presented: str | None) -> tuple[str, Session]:
        """A new session and its cookie. Raises BadCredentials, Full.

        A cookie that came with the login is never adopted, which would let an attacker plant one;
        its session, if there is one, ends.
        """
        self._places.look()
        account = self._accounts.authenticate(user, password)
        with self._places.taken():
            return self._begin(account, presented)

    def _begin(self, account: Account, presented: str | None) -> tuple[str, Session]:
        # Best effort: where the old session cannot be reached now, nobody can use it now either.
        with contextlib.suppress(StoreUnavailable):
            self._lookup.end(presented)
        ticket = self._tickets.issue(account.user_id)
        now = self._now()
        session = Session(
            key=ticket.key,
            user_id=account.user_id,
            name=account.name,
            email=account.email,
            permissions=account.permissions,
            preferences=account.preferences.values,
            preferences_version=account.preferences.version,
            login_at_s=now,
            last_activity_at_s=now,
        )
        # Preloaded, so that the first dashboard does not wait for it.
        self._dashboards.recent_purchases(account.user_id)
        self._sessions.create(session)
        return self._tickets.write(ticket), session

    def set_preferences(self, cookie: str | None, changes: Mapping[str, str], operation: str = "") -> Session:
        """Merge into the lasting preferences and into the session's copy of them."""
        # Asked before the database too: it would merge an old change over what came after.
        session, repeated = self._lookup.answered(cookie, operation)
        if repeated:
            return session
        if session.degraded:
            raise refuse_write()
        newest = self._accounts.merge_preferences(session.user_id, changes)
        # The database orders concurrent changes; the session keeps the newest, whichever comes first.
        return self._lookup.update(cookie, lambda session: session.with_preferences(newest), operation)

    def record_activity(self, cookie: str | None, action: str, operation: str = "") -> Session:
        """Append to the session's recent actions."""
        now = self._now()
        return self._lookup.update(cookie, lambda session: session.with_action(action, now), operation)
