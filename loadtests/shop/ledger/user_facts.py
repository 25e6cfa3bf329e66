"""What the service keeps of each user beside sessions: a name, and what was bought. No request changes it.

The first sight says what it is, and every later answer must show the same, in this session and in the
user's next ones. Another user's, which nobody else was ever shown, is *foreign*.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from statefall.ledger.deviation import Deviation
from statefall.ledger.kinds.known_writes import KnownWrites
from statefall.records.verdicts import Verdict

from .answer import Answer

_NAME: Final = "name"
_PURCHASES: Final = "recent purchases"


class UserFacts:
    """Of one user."""

    __slots__ = ("_known", "_others", "_user_id")

    def __init__(self, user_id: int, others: KnownWrites | None = None) -> None:
        """`others`: what all users of the process were shown first; without it nothing proves a leak."""
        self._user_id, self._others = user_id, others
        self._known: dict[str, Hashable] = {}

    def check(self, answer: Answer) -> list[Deviation]:
        """Hold what an answer shows of the user to what was shown before, and its sums to themselves."""
        found = []
        if answer.name is not None:
            found += self._fact(_NAME, answer.name)
        if answer.purchases is not None:
            found += self._fact(_PURCHASES, answer.purchases)
        if answer.wrong_sum:
            found.append(Deviation(Verdict.ROLLED_BACK, answer.wrong_sum))
        return found

    def _fact(self, fact: str, shown: Hashable) -> list[Deviation]:
        known, writer = self._known.get(fact), self._writer(fact, shown)
        if known is None:
            # What is known to be another's may be a leak, or two that are alike: it is not kept.
            if writer is None:
                self._known[fact] = shown
                if self._others is not None:
                    self._others.note(self._user_id, fact, None, shown)
            return []
        if shown == known:
            return []
        if writer is not None and not _is_part(shown, known):
            return [Deviation(Verdict.FOREIGN, f"{fact} of user {writer} instead of the user's own")]
        return [Deviation(Verdict.ROLLED_BACK, f"{fact} {shown!r} instead of {known!r}")]

    def _writer(self, fact: str, shown: Hashable) -> Hashable | None:
        return None if self._others is None else self._others.other_writer(self._user_id, fact, None, shown)


def _is_part(shown: Hashable, known: Hashable) -> bool:
    """A part of one's own, or nothing at all, may look like another's whole: it is no proof."""
    return isinstance(shown, tuple) and isinstance(known, tuple) and set(shown) <= set(known)
