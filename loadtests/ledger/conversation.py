"""The promised conversation: what was said, in order, and the digest that every answer gives of it."""

from __future__ import annotations

from foundation.verdicts import Verdict
from services.contract import CONVERSATION_WINDOW, conversation_digest

from .deviation import Deviation
from .recent import RecentPromise


class ConversationPromise(RecentPromise):
    """What the user said. A reply rests on it, so a conversation that lost a part of it is rolled back."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(CONVERSATION_WINDOW, "exchange")

    def check_digest(self, seen: tuple[str, ...], digest: str | None) -> list[Deviation]:
        """Hold what is kept, and what the replies rest on by their digest, to the promise."""
        if digest is not None and digest != conversation_digest(seen):
            return [Deviation(Verdict.ROLLED_BACK, "the digest is of another conversation than is shown")]
        return self.check(seen)
