"""StatefulUserExperience: a conversation in which every reply rests on what was said before.

A reply is a pure function of the session: the exchanges it keeps, the facts told in them, the cart
and the last action. So a conversation that was lost or rolled back shows in the very next reply,
and in the digest beside it, which the client can compute for itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from services.sessions.conversation import Exchange
from services.sessions.session import Session
from services.stateful.lookup import Lookup

_NAME: Final = re.compile(r"\b(?:my name is|call me) (\w+)", re.IGNORECASE)
_LIKING: Final = re.compile(r"\bI (?:like|love) (\w+)", re.IGNORECASE)
_COUNT: Final = re.compile(r"\b(\d{1,6}) ([^\W\d]\w*)")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the user told about themselves in the exchanges that are kept."""

    name: str | None
    """The last one told."""
    likes: tuple[str, ...]
    """In the order of being told."""
    counts: tuple[tuple[str, int], ...]
    """Things and their number; numbers of the same thing add up."""

    def __str__(self) -> str:
        told = [f"your name is {self.name}"] if self.name else []
        told += [f"you like {liking}" for liking in self.likes]
        told += [f"{number} {thing}" for thing, number in self.counts]
        return ", ".join(told) or "nothing yet"


def facts_in(texts: Iterable[str]) -> Facts:
    """The facts told in these texts, oldest first."""
    names: list[str] = []
    likes: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for text in texts:
        names += _NAME.findall(text)
        likes.update(dict.fromkeys(_LIKING.findall(text)))
        for number, thing in _COUNT.findall(text):
            counts[thing] += int(number)
    return Facts(names[-1] if names else None, tuple(likes), tuple(counts.items()))


def reply(session: Session, text: str) -> str:
    """What is replied to a text: from the exchanges kept, the facts in them, and the session's state."""
    talk = session.conversation
    facts = facts_in((*talk.texts, text))
    before = f"before this you said {talk.texts[-1]!r}" if talk.exchanges else "we have just met"
    lately = f"lately you did {session.activity[-1]!r}" if session.activity else "you did nothing yet"
    return (
        f"{facts.name or session.name}, this is exchange {talk.count + 1}, and {before}."
        f" I know: {facts}. Your cart has {len(session.cart)} lines and {lately}."
    )


def converse(session: Session, text: str) -> Session:
    """The session after one more exchange."""
    exchange = Exchange(text, reply(session, text))
    return replace(session, conversation=session.conversation.with_exchange(exchange))


class StatefulUserExperience:
    """The conversation lives in the session, so it goes wherever the state design carries that."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def say(self, cookie: str | None, text: str, operation: str = "") -> Session:
        """The session after the exchange; its last reply is the answer. Raises as `Lookup.update`."""
        return self._lookup.update(cookie, lambda session: converse(session, text), operation)

    def recall(self, cookie: str | None) -> Session:
        """The session with what is kept of its conversation. Raises as `Lookup.load`."""
        return self._lookup.load(cookie)
