"""Whether what an answer shows is a session that was made anew: all that came before is missing.

A service that forgets a session in silence takes the next write into a new one. Then not everything is
missing: what was written since is there. What is shown is then exactly the end of the session's own
writes, applied to an empty object. Such an answer shows nothing of the session that was lost.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .kinds.counter import CounterPromise
from .kinds.elements import SetPromise
from .kinds.log import LogPromise
from .kinds.promise import Promise, Read, Write
from .kinds.register import RegisterPromise, RegistersPromise

MOST_WRITES: Final = 2_000
"""Older writes than so many are not looked at."""


@dataclass(slots=True)
class Restarts:
    """The acknowledged writes of one session, in their order."""

    _writes: list[tuple[str, Hashable, Any]] = field(default_factory=list)
    _unclear: set[str] = field(default_factory=set)
    """Promises with a write of unknown outcome: of them nothing is said."""
    _intact_at: dict[str, int] = field(default_factory=dict)
    """How many writes there were when a read last showed all of a promise."""
    _over: bool = False
    _cuts: range | None = None
    """Between which writes the session was made anew, as one promise has shown."""

    def acknowledged(self, name: str, write: Write) -> None:
        """The write must be there from now on."""
        self._writes.append((name, write.key, write.value))
        if len(self._writes) > MOST_WRITES:
            del self._writes[: MOST_WRITES // 2]
            self._intact_at.clear()

    def left_open(self, name: str) -> None:
        """A write of this promise may or may not be there."""
        self._unclear.add(name)

    def intact(self, name: str) -> None:
        """A read showed all of this promise: whatever happens comes later."""
        self._intact_at[name] = len(self._writes)

    def decided(self, *, intact: bool) -> None:
        """Whatever was suspected is told. `intact`: and nothing was wrong.

        A session that lives on with a part missing shows the end of its writes ever after: from then on
        nothing more is said of it here.
        """
        self._cuts = None
        self._over |= not intact

    def shows_new_session(self, name: str, promise: Promise, seen: Any, read: Read) -> bool:
        """Whether the promise shows what was written lately, and nothing of what had been there before."""
        moved = read.saved(promise) is not None or read.begun_since(promise)
        if self._over or name in self._unclear or moved:
            return False
        own = [at for at, (of, _, _) in enumerate(self._writes) if of == name]
        if not seen:
            if own and self._cuts is None:
                # If it was made anew, then after the last of these writes.
                self._cuts = range(max(own[-1] + 1, self._intact_at.get(name, 0)), len(self._writes) + 1)
            return False
        if self._cuts is not None:
            return any(_is(promise, seen, self._since(name, cut)) for cut in self._cuts)
        if isinstance(promise, RegisterPromise) or _is(promise, seen, self._since(name, 0)):
            return False
        for before, first in zip(own[:-1][::-1], own[1:][::-1], strict=True):
            cuts = range(max(before + 1, self._intact_at.get(name, 0)), first + 1)
            if cuts and _is(promise, seen, self._since(name, first)):
                self._cuts = cuts
                return True
        return False

    def _since(self, name: str, cut: int) -> list[tuple[Hashable, Any]]:
        return [(key, value) for of, key, value in self._writes[cut:] if of == name]


def nothing(promise: Promise) -> Any:
    """What an empty object of this kind shows."""
    if isinstance(promise, RegisterPromise):
        return None
    return () if isinstance(promise, SetPromise | LogPromise) else {}


def _is(promise: Promise, seen: Any, writes: list[tuple[Hashable, Any]]) -> bool:
    """Whether these writes, applied to an empty object, make what is shown."""
    if isinstance(promise, CounterPromise):
        return bool(writes) and _sums(writes) == _sums(seen.items())
    if isinstance(promise, LogPromise):
        entries = tuple(value for _, value in writes)
        kept = entries if promise.window is None else entries[-promise.window :]
        return bool(kept) and kept == tuple(seen)
    if isinstance(promise, RegistersPromise):
        written = {**promise.initial, **dict(writes)}
        values = {key: value for key, value in written.items() if value is not None}
        return bool(writes) and bool(values) and values == _as_values(promise, seen)
    return False


def _as_values(promise: RegistersPromise, seen: Any) -> Mapping[Any, Any]:
    if isinstance(promise, SetPromise):
        return dict.fromkeys(seen, True)
    if isinstance(promise, RegisterPromise):
        return {None: seen}
    return {key: value for key, value in seen.items() if value is not None}


def _sums(adds: Iterable[tuple[Hashable, int]]) -> dict[Hashable, int]:
    found: dict[Hashable, int] = {}
    for key, amount in adds:
        found[key] = found.get(key, 0) + amount
    return {key: amount for key, amount in found.items() if amount}
