"""What a user gets while the store is away: a minimal session, rebuilt from the database.

The cookie proves who asks, and the database knows the user's name and preferences; cart, recent
actions and conversation are in the store and stay there. The answer is marked `degraded`, nothing of it
is kept, and a write is refused, since it could only be acknowledged by forgetting it. Whether the session
has expired or was logged out elsewhere is not known meanwhile: docs/decisions/0013-degraded-is-read-only.md.
"""

from __future__ import annotations

from services.refusals import Unavailable
from services.sessions.measures import SessionMeasures
from services.sessions.session import Session
from services.sessions.tickets import Ticket
from services.shop.accounts import Accounts


class DegradedSessions:
    """Rebuilds sessions for designs whose sessions are in the store."""

    def __init__(self, accounts: Accounts, measures: SessionMeasures) -> None:
        self._accounts, self._measures = accounts, measures

    def rebuild(self, ticket: Ticket) -> Session:
        """The session of this cookie as far as the database knows it. Raises Unavailable, NotFound."""
        account = self._accounts.account(ticket.user_id)
        self._measures.degraded.inc()
        return Session(
            key=ticket.key,
            user_id=account.user_id,
            name=account.name,
            email=account.email,
            permissions=account.permissions,
            preferences=account.preferences.values,
            preferences_version=account.preferences.version,
            login_at_s=0.0,
            last_activity_at_s=0.0,
            degraded=True,
        )


def refuse_write() -> Unavailable:
    """What a write is answered with while there is nowhere to keep it."""
    return Unavailable("the session store does not answer, so nothing can be changed now; try again soon")
