"""What a session holds. Records are immutable: a change makes a new one with the next version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.contract import ACTIVITY_WINDOW
from services.sessions.conversation import NOTHING_SAID, Conversation
from services.sessions.undo import Write
from services.shop.accounts import Preferences
from services.shop.cart import Cart


@dataclass(frozen=True, slots=True)
class Session:
    """One login of one user. Times are Unix times in seconds."""

    key: str
    """The digest of the secret session id (see `tickets`): what a store may know and keep."""
    user_id: int
    name: str
    permissions: tuple[str, ...]
    preferences: Mapping[str, str]
    preferences_version: int
    """The database's count of changes that these preferences hold."""
    login_at_s: float
    last_activity_at_s: float
    cart: Cart = ()
    activity: tuple[str, ...] = ()
    conversation: Conversation = NOTHING_SAID
    email: str = ""
    """Empty in a session that began before sessions had one."""
    writes: tuple[Write, ...] = ()
    """The last ones, oldest first (see `writes`)."""
    version: int = 0
    """Writes applied since the login. Stores count it; changes leave it alone."""
    epoch: int = 0
    """How often the session moved from one owner to another, where a design has owners. Of two copies
    the one with the higher epoch is newer, whatever their versions."""
    degraded: bool = False
    """Rebuilt from the database while the store is away: only the user and the preferences are real.
    Never kept by a store, and its version means nothing."""

    def with_preferences(self, newest: Preferences) -> Session:
        """Take preferences from the database, unless these here are newer already."""
        if newest.version <= self.preferences_version:
            return self
        return replace(self, preferences=newest.values, preferences_version=newest.version)

    def with_action(self, action: str, now_s: float) -> Session:
        """Append to the window of recent actions."""
        window = (*self.activity, action)[-ACTIVITY_WINDOW:]
        return replace(self, activity=window, last_activity_at_s=now_s)


@dataclass(frozen=True, slots=True)
class Kept:
    """A session with what is left of its life, as it travels."""

    session: Session
    left_s: float
