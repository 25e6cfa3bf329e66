"""The shop's sessions of one load process: what they know of each other and of their users."""

from __future__ import annotations

from statefall.ledger.session import Finding
from statefall.ledger.session_registry import SessionRegistry

from .answer import Answer, RequestOutcome, Write
from .promises import Promises
from .session import SessionLedger
from .user_facts import UserFacts


class ShopSessions:
    """Opens the sessions of many shoppers; a shopper has one live session at a time."""

    def __init__(self, registry: SessionRegistry, max_reloads: int) -> None:
        """`max_reloads`: how many reloads may still find a session that a replica did not know."""
        self.registry = registry
        self._max_reloads = max_reloads
        self._facts: dict[int, UserFacts] = {}
        self._former: dict[int, SessionLedger] = {}

    def open(
        self, shopper: int, user_id: int, login: Answer, at_s: float, *, client_held: bool
    ) -> tuple[SessionLedger, tuple[Finding, ...]]:
        """A shopper logged in. `client_held`: the answer handed the state to the client."""
        known = self.registry.known_writes
        facts = self._facts.setdefault(user_id, UserFacts(user_id, known))
        promises = Promises(login, client_held=client_held, owner=user_id, others=known, facts=facts)
        former = self._former.get(shopper)
        if former is not None:
            promises.preferences.inherit(former.promises.open_preferences())
        session = SessionLedger(
            shopper, user_id, promises, home=login.replica, at_s=at_s, max_reloads=self._max_reloads
        )
        self.registry.admit(session)
        self._former[shopper] = session
        return session, session.begin(login)

    def observe(
        self, session: SessionLedger, write: Write | None, outcome: RequestOutcome, at_s: float
    ) -> tuple[Finding, ...]:
        """Take in how a request of the session ended."""
        findings = session.observe(write, outcome, at_s)
        self.registry.settle(session)
        return findings
