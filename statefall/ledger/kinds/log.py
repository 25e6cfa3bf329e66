"""Logs: texts that were appended, in order; with a window only the last N are kept.

Each text is unique in its session (number them), so that each one can be followed. Appends that were
under way at once may stand in either order, until a read has shown one. An append of unknown outcome
may come at any later place, once; not before what had been acknowledged when it began. In a window
that is full, what is missing must be older than all that is shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

from statefall.ledger.deviation import Deviation
from statefall.records.verdicts import Verdict

from .known_writes import KnownWrites
from .promise import Clock, Promise, Read, Sight, Write, WriteState

MOST_TOLD: Final = 256


class LogPromise(Promise):
    """What was appended. `window`: how many are kept; None: all.

    `started=False`: texts that the first read shows and nobody is known to have written are let be.
    """

    shows_repeats = True
    __slots__ = ("_lenient", "_open", "_settled", "_started", "_texts", "_told", "window")

    def __init__(
        self,
        name: str = "log",
        clock: Clock | None = None,
        *,
        owner: Hashable = None,
        others: KnownWrites | None = None,
        window: int | None = None,
        started: bool = True,
    ) -> None:
        super().__init__(name, clock, owner=owner, others=others)
        self.window = window
        self._settled: tuple[Write, ...] = ()
        """Surely appended and perhaps still kept, oldest first as far as known."""
        self._texts: tuple[Any, ...] | None = ()
        """What a read must show where nothing is open or was told; None: to be made."""
        self._open: tuple[Write, ...] = ()
        self._told: dict[tuple[str, Any], None] = {}
        self._started = started
        self._lenient = False

    @property
    def holds_anything(self) -> bool:
        """Whether a text was acknowledged or seen."""
        return bool(self._settled)

    def append(self, text: Hashable) -> Write:
        """Declare an append."""
        return Write(self, None, text)

    def acknowledged(self, text: Hashable) -> None:
        """An append that began and was acknowledged just now, with nothing in between."""
        write = self.append(text)
        write.begin()
        write.acknowledge()

    def excuse_next(self) -> None:
        """The next read's differences belong to a deviation that was told already."""
        self._lenient = True

    def check(self, seen: Sequence[Any], read: Read | None = None) -> list[Deviation]:
        """`seen`: the texts that are shown, oldest first."""
        seen = tuple(seen)
        saved = None if read is None else read.saved(self)
        if saved is None and not self._open and not self._told and self._started and seen == self._expected():
            self._lenient, self.sight = False, Sight.WHOLE
            return []
        self.save(besides=read)
        settled, open_ = saved or (self._settled, self._open)
        begun = [] if read is None else read.begun_since(self)
        own = [
            w for w in (read.own if read else ()) if w._promise is self and w.state is WriteState.ACKNOWLEDGED
        ]
        must = [write for write in (*settled, *own) if write.state is not WriteState.REFUSED]
        may = {write.value: write for write in (*open_, *begun) if write.state is not WriteState.REFUSED}
        known = may | {write.value: write for write in must}
        shown = [known[text] for text in dict.fromkeys(seen) if text in known]
        since = self.clock.now if read is None else read.begun

        found = self._twice(seen)
        strange, returned = self._strangers(seen, known)
        disordered = _out_of_order(shown)
        if disordered:
            found.append(Deviation(Verdict.ROLLED_BACK, "the order is not that of the acknowledgements"))
            self._take_order(shown)
        here = {id(write) for write in shown}
        missing = [
            write for write in must if id(write) not in here and not self._left(write, shown, len(seen))
        ]
        lost = bool(must) and len(missing) == len(must)
        whole = not missing and not disordered
        self.sight = Sight.NOTHING if lost else Sight.WHOLE if whole else Sight.PART
        new = [write for write in missing if self._news("missing", write.value)]
        if new and lost:
            found = [Deviation(Verdict.LOST, f"nothing of {len(must)} promised is shown")]
        elif new:
            more = f" and {len(new) - 1} more" if len(new) > 1 else ""
            found.append(Deviation(Verdict.ROLLED_BACK, f"lacks {new[-1].value!r}{more}"))
        back = [w for w in shown if ("missing", w.value) in self._told and self._news("back", w.value)]
        if back:
            found.append(Deviation(Verdict.ROLLED_BACK, f"{back[-1].value!r} was missing and came back"))
        if returned:
            # The whole window is an old one where newer texts are missing; else it was appended again.
            verdict = Verdict.ROLLED_BACK if missing else Verdict.DUPLICATED
            found.append(Deviation(verdict, f"{returned[0]!r} had left the window and came back"))
        found += strange
        if not found and not missing:
            self._learn(shown, since, read, full=self.window is not None and len(seen) >= self.window)
        self._started = True
        if self._lenient:
            found = []
        self._lenient = False
        return self._merge(found)

    # -- what is wrong

    def _twice(self, seen: tuple[Any, ...]) -> list[Deviation]:
        if len(set(seen)) == len(seen):
            return []
        twice = [text for text in dict.fromkeys(seen) if seen.count(text) > 1]
        new = [text for text in twice if self._news("twice", text)]
        return [Deviation(Verdict.DUPLICATED, f"shows {new[0]!r} twice")] if new else []

    def _strangers(self, seen: tuple[Any, ...], known: dict[Any, Write]) -> tuple[list[Deviation], list[Any]]:
        """What is not this session's to show; and what was, but is no longer."""
        strange: list[Deviation] = []
        returned: list[Any] = []
        for text in dict.fromkeys(seen):
            if text in known:
                continue
            deviation = self._stranger(None, text, repr(text))
            if not self._started and deviation.verdict is not Verdict.FOREIGN:
                self._news("strange", text)
            elif not self._news("strange", text):
                continue
            elif self.wrote(None, text):
                returned.append(text)
            else:
                strange.append(deviation)
        return strange, returned

    def _left(self, write: Write, shown: list[Write], length: int) -> bool:
        """Whether a missing text may have left the window: all that is shown may be newer."""
        if self.window is None or length < self.window:
            return False
        return not any(other.ended < write.begun or 0 < other.rank < write.rank for other in shown)

    def _news(self, kind: str, text: Any) -> bool:
        """Note what is about to be told; whether it was not told before."""
        if (kind, text) in self._told:
            return False
        while len(self._told) >= MOST_TOLD:
            del self._told[next(iter(self._told))]
        self._told[(kind, text)] = None
        return True

    # -- what writes do

    def _began(self, write: Write) -> None:
        self._open = (*self._open, write)

    def _acknowledged(self, write: Write) -> None:
        if write in self._open:
            self._open = tuple(other for other in self._open if other is not write)
            self._settle((*self._settled, write))

    def _refused(self, write: Write) -> None:
        self._remember_refusal(write)
        self._open = tuple(other for other in self._open if other is not write)
        self._settled = tuple(other for other in self._settled if other is not write)
        self._texts = None

    def _left_open(self, write: Write) -> None:
        """It stays among the open ones, unless a read has shown it."""

    def _settle(self, settled: tuple[Write, ...]) -> None:
        window = self.window
        if window is not None and len(settled) > window:
            newest = settled[-window:]
            since = min(write.begun for write in newest)
            for write in settled[:-window]:
                if write.ended < since:
                    self._remember(None, write.value)
            settled = (*(write for write in settled[:-window] if write.ended >= since), *newest)
        self._settled, self._texts = settled, None

    def _expected(self) -> tuple[Any, ...]:
        if self._texts is None:
            kept = self._settled if self.window is None else self._settled[-self.window :]
            self._texts = tuple(write.value for write in kept)
        return self._texts

    def _snapshot(self) -> Any:
        return self._settled, self._open

    # -- what reads do

    def _learn(self, shown: list[Write], since: int, read: Read | None, *, full: bool) -> None:
        """What was seen is there; what was not seen can only come after it, or has left a full window."""
        here = {id(write) for write in shown}
        now = self.clock.now
        for write in self._open:
            if id(write) in here:
                write.ended = min(write.ended, now)
            elif not full:
                write.begun = max(write.begun, since)
        seen_open = [write for write in self._open if id(write) in here]
        self._open = tuple(write for write in self._open if id(write) not in here)
        if any(other is not read for other in self.clock.reads):
            # A read of an earlier moment may still come: the order among them is not taken.
            if seen_open:
                self._settle((*self._settled, *seen_open))
            return
        for write in shown:
            write.rank = self.clock.tick()
        ours = {id(write) for write in (*self._settled, *seen_open)}
        kept = [write for write in self._settled if id(write) not in here]
        old = [write for write in kept if write.ended < since and ("missing", write.value) in self._told]
        new = [write for write in kept if write.ended >= since]
        for write in kept:
            if write.ended < since and ("missing", write.value) not in self._told:
                self._remember(None, write.value)
        self._settle((*old, *(write for write in shown if id(write) in ours), *new))

    def _take_order(self, shown: list[Write]) -> None:
        """The wrong order was told: from now on it is the order."""
        for write in shown:
            write.begun, write.ended = 0, min(write.ended, self.clock.now)
            write.rank = self.clock.tick()


def _out_of_order(shown: list[Write]) -> bool:
    begun = rank = 0
    for write in shown:
        if write.ended < begun or 0 < write.rank < rank:
            return True
        begun, rank = max(begun, write.begun), max(rank, write.rank)
    return False
