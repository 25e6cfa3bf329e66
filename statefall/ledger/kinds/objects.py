"""All promises of one session together: whether it was lost is for all of them to say.

An object that holds something and shows nothing makes the session suspect. It was lost when every
object that holds anything shows nothing; one object that shows what it holds, read since, makes it
rolled back. Until one or the other is seen nothing is told: read the others, or `settle`.
"""

from __future__ import annotations

from collections.abc import Mapping

from statefall.ledger.deviation import Deviation
from statefall.records.verdicts import Verdict

from .promise import Clock, Promise, Read, Sight, Write


class SessionObjects:
    """The objects of one session by name, and its clock, which all of them share."""

    __slots__ = ("_empty", "_promises", "clock")

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self._promises: dict[str, Promise] = {}
        self._empty: dict[str, str] = {}
        """Objects that showed nothing, with the evidence, not told yet."""

    def hold(self, promise: Promise) -> None:
        """One more object. Another clock, or a name that is taken: ValueError."""
        if promise.clock is not self.clock:
            raise ValueError(f"{promise.name} must keep the session's clock")
        if promise.name in self._promises:
            raise ValueError(f"there is an object {promise.name!r} already")
        self._promises[promise.name] = promise

    @property
    def undecided(self) -> tuple[str, ...]:
        """Objects that must be read before it is known whether the session was lost."""
        return tuple(name for name in self._holding() if name not in self._empty) if self._empty else ()

    def begin_read(self, *own: Write) -> Read:
        """A request is about to be sent; `own` are the writes that it carries."""
        return self.clock.begin_read(*own)

    def check(self, shown: Mapping[str, object], read: Read | None = None) -> list[Deviation]:
        """Compare all objects that one answer shows, and end its read."""
        found: list[Deviation] = []
        intact = False
        for name, seen in shown.items():
            promise = self._promises[name]
            held = promise.holds_anything
            deviations = promise.check(seen, read)
            lost = [deviation for deviation in deviations if deviation.verdict is Verdict.LOST]
            if lost:
                self._empty[name] = lost[0].evidence
                continue
            foreign = any(deviation.verdict is Verdict.FOREIGN for deviation in deviations)
            shows_something = promise.sight is not Sight.NOTHING and not foreign
            if name in self._empty and shows_something:
                same = [d.evidence for d in deviations if d.verdict is Verdict.ROLLED_BACK]
                found.append(_part("; then ".join([self._empty.pop(name), *same])))
                deviations = [d for d in deviations if d.verdict is not Verdict.ROLLED_BACK]
            found += deviations
            intact |= held and shows_something
        if read is not None:
            self.clock.end_read(read)
        if self._empty and intact:
            found += self.settle()
        elif self._empty and not self.undecided:
            evidence = "; ".join(self._empty.values())
            self._empty.clear()
            found.append(Deviation(Verdict.LOST, evidence))
        return found

    def settle(self) -> list[Deviation]:
        """Nothing more will be read: what showed nothing was rolled back, as far as is known."""
        found = [_part(evidence) for evidence in self._empty.values()]
        self._empty.clear()
        return found

    def _holding(self) -> list[str]:
        return [name for name, promise in self._promises.items() if promise.holds_anything]


def _part(evidence: str) -> Deviation:
    return Deviation(Verdict.ROLLED_BACK, evidence)
