"""All that one session was promised: version, cart, recent actions, conversation, preferences."""

from __future__ import annotations

from collections.abc import Mapping

from statefall.ledger.deviation import Deviation
from statefall.ledger.kinds.known_writes import KnownWrites

from ..contract import ACTIVITY_WINDOW
from .answer import AddToCart, Answer, Converse, RememberAction, Write
from .cart import CartPromise
from .conversation import ConversationPromise
from .preferences import PreferencesPromise
from .recent import RecentPromise
from .user_facts import UserFacts
from .versions import VersionPromise


class Promises:
    """The parts of a session, each with its own memory.

    Where the client holds the state, an unanswered write never reached the client's copy, so only
    the preferences, which the service keeps too, may show it.
    """

    __slots__ = ("_seen_activity", "_seen_conversation", "_seen_lines", "_seen_version", "activity", "cart",
                 "client_held", "conversation", "facts", "preferences", "version")  # fmt: skip

    def __init__(
        self,
        login: Answer,
        *,
        client_held: bool,
        owner: int | None = None,
        others: KnownWrites | None = None,
        facts: UserFacts | None = None,
    ) -> None:
        self.client_held = client_held
        self.facts = facts or UserFacts(owner if owner is not None else 0)
        self.version = VersionPromise(login.version or 0)
        self.cart = CartPromise(owner, others)
        self.activity = RecentPromise(ACTIVITY_WINDOW, "action", owner, others)
        self.conversation = ConversationPromise(owner, others)
        self.preferences = PreferencesPromise(
            login.preferences, client_held=client_held, owner=owner, others=others
        )
        if login.lines is not None:
            self.cart.begin_with(login.lines)
        if login.recent_activity is not None:
            self.activity.begin_with(login.recent_activity)
        self.forget_sights()

    def acknowledge(self, write: Write) -> None:
        """The write was answered: from now on it must be there."""
        self.version.acknowledge()
        if isinstance(write, AddToCart):
            self.cart.acknowledge(write)
        elif isinstance(write, RememberAction):
            self.activity.acknowledge(write.action)
        elif isinstance(write, Converse):
            self.conversation.acknowledge(write.text)
        else:
            self.preferences.acknowledge(write)

    def leave_open(self, write: Write) -> None:
        """The write was sent and its outcome is unknown."""
        if not isinstance(write, AddToCart | RememberAction | Converse):
            self.preferences.leave_open(write)
        if self.client_held:
            return
        self.version.leave_open()
        if isinstance(write, AddToCart):
            self.cart.leave_open(write)
        elif isinstance(write, RememberAction):
            self.activity.leave_open(write.action)
        elif isinstance(write, Converse):
            self.conversation.leave_open(write.text)

    def check(self, answer: Answer) -> list[Deviation]:
        """Hold everything that the answer shows to the promises."""
        deviations: list[Deviation] = []
        if answer.version is not None:
            found = self.version.check(answer.version)
            if found is not None:
                deviations.append(found)
        if answer.lines is not None:
            deviations += self.cart.check(answer.lines)
        if answer.recent_activity is not None:
            deviations += self.activity.check(answer.recent_activity)
        if answer.preferences is not None:
            deviations += self.preferences.check(answer.preferences)
        if answer.conversation is not None:
            deviations += self.conversation.check_digest(answer.conversation, answer.digest)
        deviations += self.facts.check(answer)
        if not deviations:
            self._note_seen(answer)
            if self.version.close_open():
                self.cart.close_open()
        return deviations

    def adopt(self, answer: Answer) -> None:
        """Live on with what was seen, so that one fault is not found again at every later read."""
        self.version.adopt(answer.version)
        self.cart.adopt(answer.lines)
        self.activity.adopt(answer.recent_activity)
        self.preferences.adopt(answer.preferences)
        self.conversation.adopt(answer.conversation)
        self._note_seen(answer)

    def forget_sights(self) -> None:
        """From now on only what is seen from now on decides."""
        self._seen_version = self._seen_lines = self._seen_activity = self._seen_conversation = False

    def decided(self) -> bool:
        """Whether everything that holds a promise was seen since the sights were last forgotten."""
        return (
            self._seen_version
            and (self._seen_lines or not self.cart.holds_anything)
            and (self._seen_activity or not self.activity.holds_anything)
            and (self._seen_conversation or not self.conversation.holds_anything)
        )

    def open_preferences(self) -> Mapping[str, set[str]]:
        """Values that may still come to light in the user's next session."""
        return self.preferences.open_values

    def _note_seen(self, answer: Answer) -> None:
        self._seen_version |= answer.version is not None
        self._seen_lines |= answer.lines is not None
        self._seen_activity |= answer.recent_activity is not None
        self._seen_conversation |= answer.conversation is not None
