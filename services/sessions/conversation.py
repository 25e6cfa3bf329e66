"""The conversation that a session holds: its last exchanges, and how many there ever were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.contract import CONVERSATION_WINDOW


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the user said and what was replied."""

    text: str
    reply: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Only what is kept here can be remembered in a later reply."""

    exchanges: tuple[Exchange, ...] = ()
    """Oldest first, at most CONVERSATION_WINDOW."""
    count: int = 0
    """Exchanges since the login, forgotten ones included."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What the user said, oldest first."""
        return tuple(exchange.text for exchange in self.exchanges)

    def with_exchange(self, exchange: Exchange) -> Conversation:
        """The conversation one exchange later."""
        return Conversation((*self.exchanges, exchange)[-CONVERSATION_WINDOW:], self.count + 1)


NOTHING_SAID: Final = Conversation()
"""How a session begins."""
