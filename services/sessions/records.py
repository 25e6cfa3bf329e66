"""Sessions as records in the store: sealed, versioned, with a time to live, changed by scripts alone.

The scripts are in `scripts`, where a record's fields are listed. What lies there in the clear is a
digest of the session id, the user's id, the counters and the times; the session itself is sealed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from services.refusals import Unavailable
from services.sessions import scripts
from services.sessions.codec import SessionCodec
from services.sessions.protocol import Ended
from services.sessions.session import Kept, Session
from services.store import Call, Script, Store

PREFIX: Final = "statefall:session:"
_MARK_PREFIX: Final = "statefall:left:"
REMEMBER_S: Final = 300.0
"""How long the store tells an expired session from a lost one."""
CLAIM_S: Final = 2.0
"""How long a claim that is not confirmed keeps others away: a confirmation and one more try fit in. When it
has run out nothing is lost, for a session is nobody's before it is confirmed."""


class Claimed(Unavailable):
    """A replica is about to take the session into its memory; soon it has, or the claim runs out."""


class State(StrEnum):
    """What the store knows of a session; the words of the scripts."""

    NONE = "none"
    LIVE = "live"
    EXPIRED = "expired"
    LOGGED_OUT = "out"
    MOVED = "moved"
    """Into the memory of a replica."""

    def ended(self) -> Ended | None:
        """How the session ended, where it did."""
        return {State.EXPIRED: Ended.EXPIRED, State.LOGGED_OUT: Ended.LOGGED_OUT}.get(self)


@dataclass(frozen=True, slots=True)
class Copy:
    """A session as one write left it."""

    session: Session
    write: str
    """Digest of what that write sealed. The version does not tell it from another one: it comes again when
    the store goes back."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a script saw."""

    state: State
    copy: Copy | None = None
    """Of a live one; None where the caller has it already."""


class SessionRecords:
    """The sessions in the store. Raises StoreUnavailable from every call, and Claimed from all that ask
    for one session or change it (`insert`, `confirm` and `put` apart)."""

    def __init__(
        self, store: Store, codec: SessionCodec, ttl_s: float, now: Callable[[], float] = time.time
    ) -> None:
        self._store, self._codec, self._now = store, codec, now
        self._ttl_ms = _ms(ttl_s)
        self._keep_ms = _ms(REMEMBER_S)

    def insert(self, session: Session) -> Copy | None:
        """Add a new session; None when its key is taken."""
        fields, life = self._fields(session), (self._ttl_ms, self._keep_ms)
        done = self._run(scripts.INSERT, session.key, *life, *fields)
        return Copy(session, _digest(fields[-1])) if done else None

    def touch(self, key: str, known: Copy | None = None) -> Look:
        """Look and renew. The copy is left out when the known one is still the newest."""
        life, write = (self._ttl_ms, self._keep_ms), known.write if known else ""
        return self._look(key, self._run(scripts.TOUCH, key, *life, self._now(), write))

    def swap(self, session: Session, over: Copy) -> Copy | Look:
        """Write the next version over this copy; the new copy, or what was there instead of the old one."""
        sealed, life = self._codec.seal(session), (self._ttl_ms, self._keep_ms)
        answer = self._run(scripts.SWAP, session.key, *life, over.write, session.version, self._now(), sealed)
        return Copy(session, _digest(sealed)) if answer[0] == b"done" else self._look(session.key, answer)

    def finish(self, key: str) -> bool:
        """End a session at its user's wish; False when it was not live."""
        answer: bytes = self._run(scripts.FINISH, key, self._ttl_ms + self._keep_ms)
        return _state(answer) is State.LIVE

    def state(self, key: str) -> State:
        """What is known of it; renews nothing."""
        return _state(self._run(scripts.STATE, key))

    def claim(self, key: str, claimant: str, epoch: int = 0) -> Look:
        """Reserve a session of at least this epoch for one claimant, who then confirms; to others it is
        Claimed until then, for `CLAIM_S` at the most."""
        return self._look(key, self._run(scripts.CLAIM, key, claimant, _ms(CLAIM_S), epoch))

    def confirm(self, key: str, claimant: str, epoch: int) -> bool:
        """Give the session to the claimant, at this epoch, and keep it here no longer; to others it has
        moved. False when the claim had run out and somebody else was there. May be repeated."""
        return bool(self._run(scripts.CONFIRM, key, claimant, epoch, self._ttl_ms + self._keep_ms))

    def put(self, kept: Sequence[Kept]) -> list[bool]:
        """Put sessions with what is left of their lives, in one exchange; False for each that is older
        than what is known here. Repeating it changes nothing."""
        calls = [
            call(scripts.PUT, one.session.key, *self._left(one), *self._fields(one.session), "same")
            for one in kept
        ]
        return [bool(answer) for answer in self._store.run_many(calls)]

    def _left(self, kept: Kept) -> tuple[int, int]:
        return max(1, _ms(kept.left_s)), self._keep_ms

    def _fields(self, session: Session) -> tuple[int, int, int, float, bytes]:
        sealed = self._codec.seal(session)
        return session.version, session.epoch, session.user_id, session.last_activity_at_s, sealed

    def _look(self, key: str, answer: list[Any]) -> Look:
        word = answer[0]
        state = State.LIVE if word == b"conflict" else _state(word)
        if len(answer) < 5:
            return Look(state)
        _, version, epoch, last_use, sealed = answer
        session = self._codec.open(sealed, key, int(version), int(epoch))
        last_use_s = max(session.last_activity_at_s, float(last_use))
        return Look(state, Copy(replace(session, last_activity_at_s=last_use_s), _digest(sealed)))

    def _run(self, script: Script, key: str, *arguments: str | bytes | int | float) -> Any:
        return self._store.run(call(script, key, *arguments))


def call(script: Script, key: str, *arguments: str | bytes | int | float) -> Call:
    """A script on the session with this key."""
    # The braces put a record and its mark into one slot of a cluster.
    return Call(script, (f"{PREFIX}{{{key}}}", f"{_MARK_PREFIX}{{{key}}}"), arguments)


def _digest(sealed: bytes) -> str:
    """As the scripts know a write. It has to tell, not to withstand: what is read is authenticated."""
    return hashlib.sha1(sealed, usedforsecurity=False).hexdigest()


def _state(word: bytes) -> State:
    if word == b"claimed":
        raise Claimed("another replica is taking this session over; ask again")
    return State(word.decode().partition(" ")[0])


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
