"""Sets: what was added and not removed. A wish list, the channels that one follows.

Each element is a register of its own: it is in, or it is not.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import replace
from typing import Any

from statefall.ledger.deviation import Deviation
from statefall.records.verdicts import Verdict

from .known_writes import KnownWrites
from .promise import Clock, Read, Write
from .register import RegistersPromise


class SetPromise(RegistersPromise):
    """Elements that must be in, and such that must not. `initial=None`: the first read says what is in."""

    __slots__ = ()

    def __init__(
        self,
        name: str = "set",
        clock: Clock | None = None,
        *,
        owner: Hashable = None,
        others: KnownWrites | None = None,
        initial: Iterable[Hashable] | None = (),
    ) -> None:
        start = None if initial is None else dict.fromkeys(initial, True)
        super().__init__(name, clock, owner=owner, others=others, initial=start)

    def add(self, element: Hashable) -> Write:
        """Declare that a element comes in."""
        return self.write(element, True)

    def remove(self, element: Hashable) -> Write:
        """Declare that a element goes."""
        return self.write(element, None)

    def check(self, seen: Collection[Hashable], read: Read | None = None) -> list[Deviation]:
        """`seen`: the elements that are shown, in any order. One that is shown twice is duplicated."""
        once = dict.fromkeys(seen, True)
        found = super().check(once, read)
        if len(once) < len(seen):
            listed = list(seen)
            twice = next(element for element in once if listed.count(element) > 1)
            if not self.wrote(("twice",), twice):
                self._remember(("twice",), twice)
                found.append(Deviation(Verdict.DUPLICATED, f"{self.name}: shows {twice!r} twice"))
        return found

    def _deviation(self, key: Hashable, shown: Any, legal: list[Any]) -> Deviation:
        if shown is None:
            return Deviation(Verdict.ROLLED_BACK, f"lacks {key!r}")
        if self.wrote(key, shown):
            return Deviation(Verdict.ROLLED_BACK, f"shows {key!r}, which was removed")
        stranger = super()._deviation(key, shown, legal)
        return replace(stranger, evidence=stranger.evidence.removesuffix(", instead of nothing"))

    def _word(self, key: Hashable, shown: Any) -> str:
        return f"lacks {key!r}" if shown is None else f"shows {key!r}"
