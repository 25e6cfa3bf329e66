"""What all kinds share: the session's clock, reads and writes under way, and the promise itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Hashable
from enum import Enum
from typing import Any, ClassVar, Final

from statefall.ledger.deviation import Deviation
from statefall.records.verdicts import Verdict

from .known_writes import KnownWrites, fingerprint

NEVER: Final = 1 << 62
"""The end of a write that may still be applied."""
REFUSED_KEPT: Final = 16
"""How many refused values a promise remembers, for the evidence of evidence."""


class Sight(Enum):
    """What the last read of an object showed of what it must show, told before or not."""

    WHOLE = "whole"
    PART = "part"
    NOTHING = "nothing"


class WriteState(Enum):
    """What is known of a write."""

    DECLARED = "declared"
    UNDER_WAY = "under way"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Write:
    """One write: declared by its promise, begun before it is sent, closed once by its outcome."""

    __slots__ = ("_promise", "begun", "ended", "key", "rank", "state", "value")

    def __init__(self, promise: Promise, key: Hashable, value: Any) -> None:
        self._promise = promise
        self.key, self.value = key, value
        self.state = WriteState.DECLARED
        self.rank = 0
        """Its place in the order that reads have shown, where there is an order; 0: not seen."""
        self.begun = 0
        self.ended = NEVER
        """When it surely had been applied: acknowledged or seen, whichever came first."""

    @property
    def of(self) -> str:
        """The name of the object that it changes."""
        return self._promise.name

    @property
    def shows_repeats(self) -> bool:
        """Whether a read can tell that it was applied twice."""
        return self._promise.shows_repeats

    def begin(self) -> None:
        """It is about to be sent. Begun twice (the request is repeated): ValueError, declare another."""
        if self.state is not WriteState.DECLARED:
            raise ValueError("a write is sent once; declare another for a repeated request")
        promise = self._promise
        promise.save()
        self.state, self.begun = WriteState.UNDER_WAY, promise.clock.tick()
        for read in promise.clock.reads:
            read.add(promise, self)
        promise.note(self.key, self.value)
        promise._began(self)

    def acknowledge(self) -> None:
        """It was answered: from now on it must be there."""
        if self._close(WriteState.ACKNOWLEDGED):
            self.ended = min(self.ended, self._promise.clock.tick())
            self._promise._acknowledged(self)

    def refuse(self) -> None:
        """It was answered that it has no effect, or it never left."""
        if self._close(WriteState.REFUSED):
            self._promise.clock.tick()
            self._promise._refused(self)

    def leave_open(self) -> None:
        """It was sent and no whole answer came: it may be applied from now on, once, or never."""
        if self._close(WriteState.UNKNOWN):
            self._promise._left_open(self)

    def _close(self, state: WriteState) -> bool:
        if self.state is not WriteState.UNDER_WAY:
            return False
        self._promise.save()
        self.state = state
        return True


class Read:
    """A read under way. It keeps what was known when it began of each promise that changes meanwhile."""

    __slots__ = ("_begun_since", "_saved", "begun", "number", "own")

    def __init__(self, begun: int, own: tuple[Write, ...]) -> None:
        self.begun = begun
        self.number = 0
        """Its request's, where requests are numbered."""
        self.own = own
        """Writes that the same request carries: its answer must show them once it acknowledges them."""
        self._saved: dict[int, Any] | None = None
        self._begun_since: list[tuple[int, Write]] | None = None

    def save(self, promise: Promise) -> None:
        """Keep the promise's state, unless an earlier one is kept."""
        if self._saved is None:
            self._saved = {}
        if id(promise) not in self._saved:
            self._saved[id(promise)] = promise._snapshot()

    def add(self, promise: Promise, write: Write) -> None:
        """A write began meanwhile."""
        if self._begun_since is None:
            self._begun_since = []
        self._begun_since.append((id(promise), write))

    def saved(self, promise: Promise) -> Any:
        """The promise's state when the read began, or None when nothing changed since."""
        return None if self._saved is None else self._saved.get(id(promise))

    def begun_since(self, promise: Promise) -> list[Write]:
        """The promise's writes that began meanwhile and were not refused."""
        return [
            write
            for owner, write in self._begun_since or ()
            if owner == id(promise) and write.state is not WriteState.REFUSED
        ]


class Clock:
    """The order of what happens to one session, and its reads under way. Moments are counts."""

    __slots__ = ("now", "reads")

    def __init__(self) -> None:
        self.now = 0
        self.reads: list[Read] = []

    def tick(self) -> int:
        """A new moment."""
        self.now += 1
        return self.now

    def begin_read(self, *own: Write) -> Read:
        """A request is about to be sent. `own`: the writes that it carries."""
        read = Read(self.tick(), own)
        self.reads.append(read)
        return read

    def end_read(self, read: Read) -> None:
        """Its answer was checked, or will never come."""
        if read in self.reads:
            self.reads.remove(read)


class Promise(ABC):
    """What one object of one session must show. Kinds fill in what writes do and how reads compare."""

    shows_repeats: ClassVar[bool] = False
    """Whether a write that is applied twice looks different from one that is applied once."""

    __slots__ = ("_past", "_refusals", "clock", "name", "others", "owner", "sight")

    def __init__(
        self,
        name: str,
        clock: Clock | None = None,
        *,
        owner: Hashable = None,
        others: KnownWrites | None = None,
    ) -> None:
        """`name`: of the object, in evidence. `owner`: the session, as `others` knows it."""
        self.name, self.owner, self.others = name, owner, others
        self.clock = clock or Clock()
        self.sight = Sight.WHOLE
        self._past: array[int] | None = None
        self._refusals: list[int] | None = None

    @property
    @abstractmethod
    def holds_anything(self) -> bool:
        """Whether something must be there, so that a read can show whether the promise was kept."""

    @abstractmethod
    def check(self, seen: Any, read: Read | None = None) -> list[Deviation]:
        """Compare what an answer shows with what is legal. Without `read` it began and ended just now.

        Several deviations of one verdict are one. *Lost* speaks of this object alone.
        """

    def save(self, besides: Read | None = None) -> None:
        """To be called before anything changes: reads under way keep what was known when they began."""
        for read in self.clock.reads:
            if read is not besides:
                read.save(self)

    def note(self, key: Hashable, value: Any) -> None:
        """Let other sessions know who wrote this."""
        if self.others is not None:
            self.others.note(self.owner, self.name, key, value)

    def wrote(self, key: Hashable, value: Any) -> bool:
        """Whether this session ever wrote it, or found it there."""
        return self._past is not None and fingerprint(key, value) in self._past

    def _remember(self, key: Hashable, value: Any) -> None:
        # Four bytes a value: searched only where a deviation was found.
        if self._past is None:
            self._past = array("I")
        self._past.append(fingerprint(key, value))

    def _remember_refusal(self, write: Write) -> None:
        self._refusals = [*(self._refusals or ())[-REFUSED_KEPT + 1 :], fingerprint(write.key, write.value)]

    def _was_refused(self, key: Hashable, value: Any) -> bool:
        return self._refusals is not None and fingerprint(key, value) in self._refusals

    def _stranger(self, key: Hashable, value: Any, shown: str) -> Deviation:
        """What is shown and was not this session's to show: foreign with proof, rolled back without."""
        if self.others is not None:
            writer = self.others.other_writer(self.owner, self.name, key, value)
            if writer is not None:
                return Deviation(Verdict.FOREIGN, f"shows {shown}, which session {writer} wrote")
        if self._was_refused(key, value):
            return Deviation(Verdict.ROLLED_BACK, f"shows {shown}, which was refused")
        return Deviation(Verdict.ROLLED_BACK, f"shows {shown}, which this session never wrote")

    def _merge(self, found: list[Deviation]) -> list[Deviation]:
        """One deviation a verdict, foreign alone where there is any."""
        evidence: dict[Verdict, list[str]] = {}
        for deviation in found:
            evidence.setdefault(deviation.verdict, []).append(deviation.evidence)
        if Verdict.FOREIGN in evidence:
            evidence = {Verdict.FOREIGN: evidence[Verdict.FOREIGN]}
        return [Deviation(verdict, f"{self.name}: {'; '.join(texts)}") for verdict, texts in evidence.items()]

    @abstractmethod
    def _snapshot(self) -> Any:
        """What is known now, in a form that later changes do not touch."""

    @abstractmethod
    def _began(self, write: Write) -> None: ...

    @abstractmethod
    def _acknowledged(self, write: Write) -> None: ...

    @abstractmethod
    def _refused(self, write: Write) -> None: ...

    @abstractmethod
    def _left_open(self, write: Write) -> None: ...
