"""How long one request waits in vain for the store, in all its calls together.

A login asks the store several times, and each call has a timeout of its own. Once one of them was waited
for in vain, the others of the same request are refused without being sent. What fails at once, such as a
connection that was lost, and what is answered slowly costs nothing here.

A request is known by its thread's context; where none began (commands, threads in the background), there
is no limit.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

BUDGET_S: Final = 0.2
"""Less than a call's timeout: it is used up by one."""

_lost_s: ContextVar[float | None] = ContextVar("lost_s", default=None)


def begin() -> None:
    """A request begins, or a message over a WebSocket."""
    _lost_s.set(0.0)


def end() -> None:
    """It is answered."""
    _lost_s.set(None)


def spend(waited_s: float) -> None:
    """A call of this request was not answered."""
    lost_s = _lost_s.get()
    if lost_s is not None:
        _lost_s.set(lost_s + waited_s)


def used_up() -> bool:
    """Whether this request has waited enough."""
    lost_s = _lost_s.get()
    return lost_s is not None and lost_s >= BUDGET_S
