"""What the stateful twin asks of every state design.

Three rules hold for each of them:

- A write is an `update` with a pure change. The design applies it to the newest version it can
  get, exactly once, and adds one to the version; two at the same moment both count. A design that
  loses a race may call the change again on a newer record, which is why it must be pure.
- A session is found or it is not: a design never makes one up.
- An older version is never handed out after a newer one was.

`epoch` is the ownership epoch that the client's cookie tells: where a session has owners, a copy of a
lower epoch is one that another replica has taken over since, and is not handed out.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from services.sessions.session import Session

Change = Callable[[Session], Session]
"""Pure and quick: no I/O, no clock, no random source inside."""


class Ended(StrEnum):
    """How a session that is no longer here came to its end here."""

    EXPIRED = "expired"
    LOGGED_OUT = "logged_out"


class SessionStore(Protocol):
    """Keeps sessions by their key. Raises services.store.StoreUnavailable where it needs the store."""

    def open(self) -> None:
        """Begin to work, after the fork; does not wait."""

    def create(self, session: Session) -> None:
        """Keep a new session; its key is random, so it is not there yet."""

    def load(self, key: str, epoch: int = 0) -> Session | None:
        """The newest version, and its time to live begins anew; None when it is not known."""

    def update(self, key: str, change: Change, epoch: int = 0) -> Session | None:
        """Apply one write and return what it made; renews as `load` does; None when it is not known."""

    def holds(self, key: str) -> bool:
        """Whether `load` would find it; unlike that it renews nothing and moves nothing.

        Raises Unavailable where that cannot be known now.
        """

    def moved(self, key: str) -> bool:
        """Whether another replica has taken over a session that `load` would find."""

    def delete(self, key: str) -> bool:
        """End a session at its user's wish; False when it was not known."""

    def ended(self, key: str) -> Ended | None:
        """How an unknown session ended here, as far as it is remembered."""

    def sweep(self) -> int:
        """Remove what has expired; returns how many that were."""

    def active(self) -> int:
        """How many sessions live in this process at this moment, expired ones not counted.

        `memory` and `handoff`: all that would go with it. `replicated`: those that it owns, without the
        copies that it keeps for others. `write-through`: its copies, of which other replicas may have one
        too. `external`: none, they live in the store (`statefall_store_sessions`).
        """

    def drain(self) -> None:
        """The replica was asked to end and still answers; called in a signal handler, so takes no lock."""

    def close(self) -> None:
        """The replica ends gracefully and its last request was answered: the place for a hand-over."""
