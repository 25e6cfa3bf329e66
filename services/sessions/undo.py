"""What one write did to a session, as little as undoes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from services.sessions.conversation import Exchange
from services.shop.cart import CartLine


class Write(NamedTuple):
    """A named tuple: serialised it is a list, without the names of its fields in each session."""

    operation: str
    """Its digest; empty where the client gave it no id."""
    at_s: float
    """Unix time."""
    actions: tuple[str, ...] | None
    """What fell out of the recent actions; None where the write recorded none. So with all that follow."""
    exchanges: tuple[Exchange, ...] | None
    preferences: Mapping[str, str] | None
    """All of them, as they were."""
    lines: tuple[CartLine, ...] | None
    """The cart's line as it was; empty where the write began it."""
