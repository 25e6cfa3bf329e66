"""Identity: an answer shows who it thinks I am.

Somebody else's name is a proof by itself: *foreign*. Nobody's name is *lost*.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Any

from statefall.ledger.deviation import Deviation
from statefall.records.verdicts import Verdict

from .promise import Clock, Promise, Read, Sight, Write


class IdentityPromise(Promise):
    """Who this session is, once it is known."""

    __slots__ = ("_last", "_told", "_who", "nobody")

    def __init__(
        self,
        name: str = "identity",
        clock: Clock | None = None,
        *,
        who: Hashable = None,
        nobody: Collection[Hashable] = (None, ""),
    ) -> None:
        """`who`: None takes the first read as it is. `nobody`: what an answer shows to a stranger."""
        super().__init__(name, clock)
        self.nobody = nobody
        self._who = who
        self._last = who
        self._told: tuple[Any, ...] = ()

    @property
    def holds_anything(self) -> bool:
        """Whether it is known who this session is."""
        return self._who is not None

    def became(self, who: Hashable) -> None:
        """The login named somebody."""
        self._who = self._last = who
        self._told = ()

    def check(self, seen: Any, read: Read | None = None) -> list[Deviation]:
        """`seen`: the name or number that the answer gives. No write changes it."""
        if self._who is None:
            if seen not in self.nobody:
                self.became(seen)
            return []
        last, self._last = self._last, seen
        self.sight = Sight.WHOLE if seen == self._who else Sight.PART
        if seen in self.nobody:
            self.sight = Sight.NOTHING
        if seen == self._who:
            if last == seen or ("back",) in self._told:
                return []
            self._told = (*self._told, ("back",))
            return [Deviation(Verdict.ROLLED_BACK, f"{self.name}: {seen!r} came back")]
        if seen in self._told:
            return []
        self._told = (*self._told, seen)
        if seen in self.nobody:
            return [Deviation(Verdict.LOST, f"{self.name}: shows nobody instead of {self._who!r}")]
        return [Deviation(Verdict.FOREIGN, f"{self.name}: shows {seen!r} instead of {self._who!r}")]

    def _snapshot(self) -> Any:
        return None

    def _began(self, write: Write) -> None: ...

    def _acknowledged(self, write: Write) -> None: ...

    def _refused(self, write: Write) -> None: ...

    def _left_open(self, write: Write) -> None: ...
