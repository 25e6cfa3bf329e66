"""What the shop says to a user in words, the same from either twin."""

from __future__ import annotations

from collections.abc import Sequence


def action_message(name: str, recent_activity: Sequence[str]) -> str:
    """The personal answer to an action that was just recorded."""
    return f"{name}, that was action {len(recent_activity)} of your recent ones."
