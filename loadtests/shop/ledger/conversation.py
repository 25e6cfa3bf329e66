"""The promised conversation: what was said, in order, and the digest that every answer gives of it."""

from __future__ import annotations

from statefall.ledger.deviation import Deviation
from statefall.ledger.kinds.known_writes import KnownWrites
from statefall.records.verdicts import Verdict

from ..contract import CONVERSATION_WINDOW, conversation_digest
from .recent import RecentPromise


class ConversationPromise(RecentPromise):
    """What the user said. A reply rests on it, so a conversation that lost a part of it is rolled back."""

    __slots__ = ()

    def __init__(self, owner: int | None = None, others: KnownWrites | None = None) -> None:
        super().__init__(CONVERSATION_WINDOW, "exchange", owner, others)

    def check_digest(self, seen: tuple[str, ...], digest: str | None) -> list[Deviation]:
        """Hold what is kept, and what the replies rest on by their digest, to the promise."""
        if digest is not None and digest != conversation_digest(seen):
            return [Deviation(Verdict.ROLLED_BACK, "the digest is of another conversation than is shown")]
        return self.check(seen)
