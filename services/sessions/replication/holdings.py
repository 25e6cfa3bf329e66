"""What one replica holds: sessions that it owns, and copies of sessions that others own.

A session has one owner, which alone changes it, and a copy on one other replica. Its epoch counts the
changes of owner. Of two copies the one with the higher epoch, then the higher version, is newer; a
replica that meets a higher epoch than its own gives up what it has. This module is the table and these
rules; it waits for nobody, so it can be asked while a request is under way.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from services.sessions.protocol import Ended
from services.sessions.session import Kept, Session

REMEMBERED_ENDS: Final = 100_000
AFTER_ALL_VERSIONS: Final = 2**62
"""The version of an end: nothing of the same epoch is newer."""


class Role(StrEnum):
    """What a replica is to a session."""

    OWNER = "owner"
    COPY = "copy"
    ENDED = "ended"
    """It was the owner when the session was logged out or expired."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a replica knows of a session."""

    role: Role
    epoch: int = -1
    version: int = -1
    owner: str = ""
    """Boot id of the owner, for a copy."""
    ended: Ended | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """Of two, the higher is newer."""
        return self.epoch, self.version


@dataclass(slots=True)
class _Held:
    session: Session
    deadline_s: float
    peer: str | None
    """Boot id: of the replica that has the copy, for an owner; of the owner, for a copy."""


class Holdings:
    """Safe for several threads. Boot ids name replicas; times are those of the clock."""

    def __init__(self, boot: str, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._boot, self._ttl_s, self._clock = boot, ttl_s, clock
        self._lock = threading.Lock()
        self._owned: OrderedDict[str, _Held] = OrderedDict()
        """In the order of last use, which is the order of expiry for all but those just taken over."""
        self._copies: dict[str, _Held] = {}
        self._ends: OrderedDict[str, tuple[int, Ended]] = OrderedDict()

    # -- as owner ---------------------------------------------------------------------------------

    def own(self, kept: Kept, backup: str | None) -> None:
        """Begin to own a session whose copy is with `backup`."""
        with self._lock:
            self._copies.pop(kept.session.key, None)
            self._owned[kept.session.key] = _Held(kept.session, self._clock() + kept.left_s, backup)

    def owned(self, key: str) -> Session | None:
        """The session if this replica owns it; its time to live begins anew."""
        with self._lock:
            held = self._live(key)
            if held is not None:
                self._renew(key, held)
            return held.session if held else None

    def owns(self, key: str) -> bool:
        """Whether this replica owns it; renews nothing."""
        with self._lock:
            return self._live(key) is not None

    def backup(self, key: str) -> str | None:
        """Who has the copy of an owned session."""
        with self._lock:
            held = self._owned.get(key)
            return held.peer if held else None

    def commit(self, changed: Session, backup: str | None) -> bool:
        """Make this the session, if it is the next version of what is owned; it may have been taken."""
        with self._lock:
            held = self._live(changed.key)
            if held is None or held.session.epoch != changed.epoch:
                return False
            if held.session.version != changed.version - 1:
                return False
            held.session, held.peer = changed, backup
            self._renew(changed.key, held)
            return True

    def copied(self, session: Session, backup: str | None) -> None:
        """The copy of just this version is with `backup`, or nowhere."""
        with self._lock:
            held = self._owned.get(session.key)
            if held is not None and held.session is session:
                held.peer = backup

    def disown(self, key: str, below_epoch: int) -> None:
        """Give up a session of which somebody has a higher epoch."""
        with self._lock:
            held = self._owned.get(key)
            if held is not None and held.session.epoch < below_epoch:
                del self._owned[key]

    def finish(self, key: str, ended: Ended) -> bool:
        """The owned session ends here; False when it is not owned."""
        with self._lock:
            held = self._owned.pop(key, None)
            if held is None:
                return False
            self._remember(key, held.session.epoch, ended)
            return True

    # -- towards other replicas -------------------------------------------------------------------

    def standing(self, key: str) -> Standing:
        """What is known of a session here."""
        with self._lock:
            held = self._live(key)
            if held is not None:
                return Standing(Role.OWNER, held.session.epoch, held.session.version, self._boot)
            copy = self._copies.get(key)
            if copy is not None and copy.deadline_s > self._clock():
                return Standing(Role.COPY, copy.session.epoch, copy.session.version, copy.peer or "")
            if key in self._ends:
                epoch, ended = self._ends[key]
                return Standing(Role.ENDED, epoch, AFTER_ALL_VERSIONS, ended=ended)
            return Standing(Role.NOTHING)

    def keep(self, kept: Kept, owner: str) -> bool:
        """Keep a copy for its owner; False when a higher epoch is known here, or the same one's end."""
        session = kept.session
        with self._lock:
            held, copy = self._live(session.key), self._copies.get(session.key)
            if held is not None and held.session.epoch >= session.epoch:
                return False
            if session.key in self._ends and self._ends[session.key][0] >= session.epoch:
                return False
            if copy is not None:
                if copy.session.epoch > session.epoch:
                    return False
                if (copy.session.epoch, copy.session.version) > (session.epoch, session.version):
                    return True  # an exchange that was overtaken by a later one
            self._owned.pop(session.key, None)
            self._copies[session.key] = _Held(session, self._clock() + kept.left_s, owner)
            return True

    def release(self, key: str, to: str, at_least_epoch: int) -> tuple[Kept, str | None] | None:
        """Give an owned session to another replica; what stays here is its copy.

        Returns it and who had its copy until now. None when it is not owned, or no more so: then the
        taker knows of a newer owner.
        """
        with self._lock:
            held = self._live(key)
            if held is None:
                return None
            del self._owned[key]
            if held.session.epoch < at_least_epoch:
                return None
            return self._give(held, to), held.peer

    def promote(self, key: str, to: str, rank: tuple[int, int]) -> Kept | None:
        """Make `to` the owner of a copy whose owner is gone, if the copy is still of this rank."""
        with self._lock:
            copy = self._copies.get(key)
            if copy is None or (copy.session.epoch, copy.session.version) != rank:
                return None
            return self._give(copy, to)

    def forget_copy(self, key: str, up_to_epoch: int, ended: Ended | None = None) -> None:
        """Drop a copy that its owner needs no longer, perhaps because the session ended."""
        with self._lock:
            copy = self._copies.get(key)
            if copy is not None and copy.session.epoch <= up_to_epoch:
                del self._copies[key]
            if ended is not None:
                self._remember(key, up_to_epoch, ended)

    def renew_copy(self, key: str, rank: tuple[int, int], left_s: float) -> Role:
        """Its owner used the session meanwhile. COPY when the copy here is as new as the owner's."""
        with self._lock:
            copy = self._copies.get(key)
            if copy is None:
                held = self._owned.get(key)
                return Role.OWNER if held is not None and held.session.epoch > rank[0] else Role.NOTHING
            if (copy.session.epoch, copy.session.version) < rank:
                return Role.NOTHING
            if copy.session.epoch > rank[0]:
                return Role.OWNER
            copy.deadline_s = self._clock() + left_s
            return Role.COPY

    # -- what there is ----------------------------------------------------------------------------

    def ended(self, key: str, at_least_epoch: int = 0) -> Ended | None:
        """How a session ended here, or was heard to have ended, unless it lived on in a later epoch."""
        with self._lock:
            self._live(key)
            epoch, ended = self._ends.get(key, (-1, None))
            return ended if epoch >= at_least_epoch else None

    def heard_of_end(self, key: str, epoch: int, ended: Ended) -> None:
        """Another replica says how the session ended."""
        with self._lock:
            self._remember(key, epoch, ended)

    def all_owned(self) -> list[tuple[Kept, str | None]]:
        """Every owned session with what is left of its life, and who has its copy."""
        with self._lock:
            now = self._clock()
            return [(Kept(held.session, held.deadline_s - now), held.peer) for held in self._owned.values()]

    def orphans(self, alive: Iterable[str]) -> dict[str, tuple[int, int]]:
        """The ranks of copies whose owner is none of these."""
        living = {*alive, self._boot}
        with self._lock:
            return {
                key: (copy.session.epoch, copy.session.version)
                for key, copy in self._copies.items()
                if copy.peer not in living
            }

    def counts(self) -> tuple[int, int]:
        """How many sessions are owned, and how many copies kept for others; expired ones not counted."""
        with self._lock:
            self._expire()
            return len(self._owned), len(self._copies)

    def sweep(self) -> int:
        """Remove what has expired; returns how many sessions and copies that were."""
        with self._lock:
            return self._expire()

    # -- under the lock ---------------------------------------------------------------------------

    def _give(self, held: _Held, to: str) -> Kept:
        session = replace(held.session, epoch=held.session.epoch + 1)
        if to == self._boot:
            self._copies.pop(session.key, None)
            self._owned[session.key] = _Held(session, held.deadline_s, None)
        else:
            self._copies[session.key] = _Held(session, held.deadline_s, to)
        return Kept(session, held.deadline_s - self._clock())

    def _live(self, key: str) -> _Held | None:
        held = self._owned.get(key)
        if held is not None and held.deadline_s <= self._clock():
            del self._owned[key]
            self._remember(key, held.session.epoch, Ended.EXPIRED)
            return None
        return held

    def _renew(self, key: str, held: _Held) -> None:
        held.deadline_s = self._clock() + self._ttl_s
        self._owned.move_to_end(key)

    def _expire(self) -> int:
        now = self._clock()
        owned = [key for key, held in self._owned.items() if held.deadline_s <= now]
        # A copy that runs out is not called ended: its owner may have used the session since.
        copies = [key for key, held in self._copies.items() if held.deadline_s <= now]
        for key in owned:
            self._live(key)
        for key in copies:
            del self._copies[key]
        return len(owned) + len(copies)

    def _remember(self, key: str, epoch: int, ended: Ended) -> None:
        self._ends[key] = (epoch, ended)
        if len(self._ends) > REMEMBERED_ENDS:
            self._ends.popitem(last=False)
