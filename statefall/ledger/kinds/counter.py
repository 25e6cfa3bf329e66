"""Counters: a whole number for each key, to which writes add. A cart, a balance, a count of visits.

Adds commute, so sums are all that is kept; only a key with adds whose outcome is not known has more.
A key that is not shown counts as 0. Amounts are whole numbers (cents, pieces), also negative ones.

More than every legal sum is *duplicated* where adds of this session make up the excess. Where
some amounts are negative, the sign of the key's newest add decides between doubled and forgotten.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from statefall.ledger.deviation import Deviation
from statefall.records.verdicts import Verdict

from .known_writes import KnownWrites
from .promise import Clock, Promise, Read, Sight, Write, WriteState
from .subsets import NOTHING, Choice, choices, common, join, least, made_of, sums

WHOLE: Final = "the whole"
"""The key under which whole contents are known to others: one product proves nothing, a cart may."""
MOST_OPTIONS: Final = 32
MOST_OFFSETS: Final = 4
KNOWN_FOR_SURE: Final = frozenset({NOTHING})


@dataclass(frozen=True, slots=True)
class _Sum:
    """What one key has besides its sum."""

    under_way: tuple[Write, ...] = ()
    unknown: tuple[tuple[int, int], ...] = ()
    """`(amount, how many adds of it)`."""
    applied: frozenset[Choice] = KNOWN_FOR_SURE
    """Reads have shown that at least one of these choices was applied; it stays so."""
    offsets: tuple[int, ...] = ()
    """Differences that were told already."""
    wrong: bool = False
    """The last read differed."""


_PLAIN: Final = _Sum()
_State = tuple[dict[Hashable, int], dict[Hashable, _Sum], int, bool]
"""Sums, cells, folds, and whether it is known what was there at the begin."""


class CounterPromise(Promise):
    """What was added to each key. `started=False`: the first read says what was there before."""

    shows_repeats = True
    __slots__ = ("_amounts", "_cells", "_folds", "_lenient", "_newest", "_started", "_sums")

    def __init__(
        self,
        name: str = "counter",
        clock: Clock | None = None,
        *,
        owner: Hashable = None,
        others: KnownWrites | None = None,
        started: bool = True,
    ) -> None:
        super().__init__(name, clock, owner=owner, others=others)
        self._sums: dict[Hashable, int] = {}
        """What surely is there; a key with 0 is not in it."""
        self._cells: dict[Hashable, _Sum] = {}
        self._amounts: frozenset[int] = frozenset()
        self._newest: dict[Hashable, int] | None = None
        self._folds = 0
        """How often an open add turned out to be applied; then older numbers of it mean another thing."""
        self._started = started
        self._lenient = False

    @property
    def holds_anything(self) -> bool:
        """Whether a sum was acknowledged that is not 0."""
        return bool(self._sums)

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """Keys that must be there, first add first."""
        return tuple(self._sums)

    def add(self, key: Hashable = None, amount: int = 1) -> Write:
        """Declare an add."""
        return Write(self, key, amount)

    def acknowledged(self, key: Hashable, amount: int) -> None:
        """An add that began and was acknowledged just now, with nothing in between."""
        if self.clock.reads or self.others is not None:
            write = self.add(key, amount)
            write.begin()
            write.acknowledge()
        else:
            self._add(key, amount)
            self._count(key, amount)

    def started_with(self, sums: Mapping[Any, int]) -> None:
        """What is there already, as the service said at the begin."""
        for key, amount in sums.items():
            self._add(key, amount)

    def all_applied(self) -> None:
        """It is known from elsewhere that every add of unknown outcome was applied."""
        self.save()
        for key, cell in list(self._cells.items()):
            for amount, count in cell.unknown:
                self._add(key, amount * count)
            self._folds += 1
            self._keep(key, replace(cell, unknown=(), applied=KNOWN_FOR_SURE))

    def excuse_next(self) -> None:
        """The next read's differences belong to a deviation that was told already."""
        self._lenient = True

    def check(self, seen: Mapping[Any, int], read: Read | None = None) -> list[Deviation]:
        """`seen`: the number of each key that is shown; absent is 0."""
        saved = None if read is None else read.saved(self)
        if saved is None and self._started and not self._cells and seen == self._sums:
            self._lenient, self.sight = False, Sight.WHOLE
            return []
        before: _State = saved or (self._sums, self._cells, self._folds, self._started)
        self.save(besides=read)
        begun = [] if read is None else read.begun_since(self)
        comparison = _Comparison(self, seen, read, before, begun)
        if not before[3]:
            if not (self._cells or before[1] or begun):
                self._started = True
            comparison.adopt_excess()
        found = comparison.deviations()
        if self._lenient:
            found = []
        self._lenient = False
        return self._merge(found)

    # -- what writes do

    def _began(self, write: Write) -> None:
        cell = self._cells.get(write.key, _PLAIN)
        self._cells[write.key] = replace(cell, under_way=(*cell.under_way, write))

    def _acknowledged(self, write: Write) -> None:
        self._add(write.key, write.value)
        self._count(write.key, write.value)
        cell = self._cells[write.key]
        # What was seen may have been this one: then it says nothing of the others any more.
        applied = least(choice - {(write, 1)} for choice in cell.applied)
        self._close(write, replace(cell, applied=applied))
        if self.others is not None:
            self.others.note(self.owner, self.name, WHOLE, frozenset(self._sums.items()))

    def _refused(self, write: Write) -> None:
        self._remember_refusal(write)
        cell = self._cells[write.key]
        possible = {choice for choice in cell.applied if (write, 1) not in choice}
        possible = possible or {choice - {(write, 1)} for choice in cell.applied}
        self._close(write, replace(cell, applied=least(possible)))

    def _left_open(self, write: Write) -> None:
        self._count(write.key, write.value)
        cell = self._cells[write.key]
        numbers = dict(cell.unknown)
        numbers[write.value] = numbers.get(write.value, 0) + 1
        applied = least(_renamed(choice) for choice in cell.applied)
        self._close(write, replace(cell, unknown=tuple(sorted(numbers.items())), applied=applied))

    def _close(self, write: Write, cell: _Sum) -> None:
        under_way = tuple(other for other in cell.under_way if other is not write)
        self._keep(write.key, replace(cell, under_way=under_way))

    def _add(self, key: Hashable, amount: int) -> None:
        total = self._sums.get(key, 0) + amount
        if total:
            self._sums[key] = total
            return
        # As a service does that drops a line of 0 pieces. That the key was written is remembered.
        self._sums.pop(key, None)
        if not self.wrote(key, None):
            self._remember(key, None)

    def _count(self, key: Hashable, amount: int) -> None:
        """Remember which amounts there are, and, where some are negative, the newest of each key."""
        if amount not in self._amounts:
            self._amounts |= {amount}
            if amount < 0 and self._newest is None:
                self._newest = {}
        if self._newest is not None:
            self._newest[key] = amount

    def _keep(self, key: Hashable, cell: _Sum) -> None:
        """Store a cell; what every explanation contains was surely applied and joins the sum."""
        for group, n in common(cell.applied):
            if isinstance(group, int):
                self._add(key, group * n)
                self._folds += 1
                numbers = dict(cell.unknown)
                numbers[group] -= n
                cell = replace(
                    cell,
                    unknown=tuple((amount, count) for amount, count in numbers.items() if count),
                    applied=least(_without(choice, group, n) for choice in cell.applied),
                )
        if cell == _PLAIN:
            self._cells.pop(key, None)
        else:
            self._cells[key] = cell

    def _snapshot(self) -> Any:
        return dict(self._sums), dict(self._cells), self._folds, self._started


class _Comparison:
    """One read of a counter: what it shows, against what was known when it began."""

    def __init__(
        self, promise: CounterPromise, seen: Mapping[Any, int], read: Read | None,
        before: _State, begun: list[Write],
    ) -> None:  # fmt: skip
        self.promise, self.seen, self.begun = promise, seen, begun
        self.sums, self.cells, self.folds, self.started = before
        self.own = [
            write
            for write in (read.own if read else ())
            if write._promise is promise and write.state is WriteState.ACKNOWLEDGED
        ]
        # In the order of writing, so that the same history is told in the same evidence.
        self.keys = dict.fromkeys([*self.sums, *self.cells, *(write.key for write in begun), *seen])

    def adopt_excess(self) -> None:
        """What was there before the first read counts as promised, where nothing else explains it."""
        live = self.promise._sums
        for key in self.keys:
            base, amounts, counts = self._open(key, self.cells.get(key, _PLAIN))
            most = base + sum(max(0, amounts[group]) * count for group, count in counts.items())
            excess = self.seen.get(key, 0) - most
            if excess > 0:
                clean = not counts and live.get(key, 0) == base
                self.sums = {**self.sums, key: self.sums.get(key, 0) + excess}
                if clean:
                    self.promise._add(key, excess)

    def deviations(self) -> list[Deviation]:
        promised = missing = 0
        wrong = False
        found: list[Deviation] = []
        new: list[tuple[Hashable, int]] = []
        for key in self.keys:
            shown = self.seen.get(key, 0)
            cell = self.cells.get(key)
            if cell is None and not self.begun and not self.own and shown == self.sums.get(key, 0):
                promised += shown != 0
                continue
            legal, offset = self._compare(key, shown)
            promised += 0 not in legal
            missing += 0 not in legal and shown == 0
            wrong |= offset != 0
            told = self.promise._cells.get(key, _PLAIN)
            if offset == 0:
                if told.wrong:
                    found.append(
                        Deviation(Verdict.ROLLED_BACK, f"{_named(key)} was wrong and came back right")
                    )
                    self.promise._keep(key, replace(told, wrong=False))
            elif offset not in told.offsets:
                new.append((key, offset))
                found.append(self._deviation(key, shown, legal, offset))
                offsets = (*told.offsets, offset)[-MOST_OFFSETS:]
                self.promise._keep(key, replace(told, offsets=offsets, wrong=True))
            elif not told.wrong:
                # It goes to and fro between states that were told.
                self.promise._keep(key, replace(told, wrong=True))
        self.promise.sight = Sight.PART if wrong else Sight.WHOLE
        if promised and missing == promised:
            self.promise.sight = Sight.NOTHING
        if new and self._is_anothers():
            return [Deviation(Verdict.FOREIGN, self._whose())]
        if new and promised and missing == promised and Verdict.FOREIGN not in {d.verdict for d in found}:
            strange = [deviation.evidence for deviation in found if deviation.evidence.startswith("shows")]
            return [
                Deviation(Verdict.LOST, "; ".join([f"nothing of {promised} promised is shown", *strange]))
            ]
        return found

    def _open(self, key: Hashable, cell: _Sum) -> tuple[int, dict[Hashable, int], dict[Hashable, int]]:
        """What surely must be in the sum, and the amounts and numbers of the groups that may be."""
        base = self.sums.get(key, 0)
        counts: dict[Hashable, int] = dict(cell.unknown)
        amounts: dict[Hashable, int] = {amount: amount for amount, _ in cell.unknown}
        for write in (*cell.under_way, *self.begun):
            if write.key != key or write.state is WriteState.REFUSED:
                continue
            if write in self.own:
                base += write.value
            else:
                counts[write], amounts[write] = 1, write.value
        return base, amounts, counts

    def _compare(self, key: Hashable, shown: int) -> tuple[set[int] | range, int]:
        """The legal sums, and by how much the shown one differs (0: legal)."""
        cell = self.cells.get(key, _PLAIN)
        base, amounts, counts = self._open(key, cell)
        legal: set[int] = set()
        explained: list[Choice] | None = []
        for choice in cell.applied:
            taken = {group: n for group, n in choice if counts.get(group, 0) >= n}
            rest = {group: count - taken.get(group, 0) for group, count in counts.items()}
            certain = base + sum(amounts[group] * n for group, n in taken.items())
            reach = sums(amounts, rest)
            if isinstance(reach, range):
                everything = sums(amounts, counts)  # whatever reads have shown: weaker, never stricter
                ends = (min(everything), max(everything)) if everything else (0, 0)
                wide = range(base + ends[0], base + ends[1] + 1)
                return wide, _distance(shown, wide)
            legal |= {certain + total for total in reach}
            ways = choices(shown - certain, amounts, rest) if explained is not None else None
            if ways is None:
                explained = None
            elif explained is not None:
                explained += [_sum(choice, way) for way in ways]
        offset = _distance(shown, legal)
        if offset == 0 and counts and explained is not None:
            self._learn(key, explained)
        return legal, offset

    def _learn(self, key: Hashable, explained: list[Choice]) -> None:
        """What explains this read was applied, and stays."""
        promise = self.promise
        cell = promise._cells.get(key)
        if cell is None or promise._folds != self.folds or cell.wrong or not self.started:
            return
        numbers: dict[Hashable, int] = dict(cell.unknown)
        numbers |= dict.fromkeys(cell.under_way, 1)
        options = [
            frozenset((group, min(n, numbers[group])) for group, n in _renamed(choice) if group in numbers)
            for choice in explained
        ]
        applied = least(join(known, option) for known in cell.applied for option in options)
        if len(applied) <= MOST_OPTIONS:
            promise._keep(key, replace(cell, applied=applied))
            self.folds = promise._folds

    def _deviation(self, key: Hashable, shown: int, legal: set[int] | range, offset: int) -> Deviation:
        promise = self.promise
        evidence = f"shows {shown} of {_named(key)} instead of {_range(legal)}"
        if not self._is_own(key):
            return promise._stranger(key, shown, f"{shown} of {_named(key)}")
        again, dropped = made_of(offset, promise._amounts), made_of(-offset, promise._amounts)
        if again and dropped:
            # Doubling the newest add moves the sum its way, forgetting it moves the other way.
            again = (promise._newest or {}).get(key, 1) * offset > 0
        if again:
            return Deviation(Verdict.DUPLICATED, evidence)
        if promise._was_refused(key, offset):
            evidence += f", and {offset} was refused"
        elif offset > 0 and not dropped:
            evidence += ", more than this session ever added"
        return Deviation(Verdict.ROLLED_BACK, evidence)

    def _is_own(self, key: Hashable) -> bool:
        """Whether this session ever added to the key, or found something there at its begin."""
        promise, cell = self.promise, self.promise._cells.get(key, _PLAIN)
        return bool(
            key in self.sums
            or key in promise._sums
            or cell.under_way
            or cell.unknown
            or promise.wrote(key, None)
        )

    def _is_anothers(self) -> bool:
        """Whether all of it is what another session holds, and not just an earlier state of its own.

        Small carts are alike by chance: without a key that this session never had there is no proof.
        """
        strange = any(n and not self._is_own(key) for key, n in self.seen.items())
        return strange and self._writer() is not None

    def _writer(self) -> Hashable | None:
        promise = self.promise
        if promise.others is None:
            return None
        whole = frozenset((key, n) for key, n in self.seen.items() if n)
        return promise.others.other_writer(promise.owner, promise.name, WHOLE, whole)

    def _whose(self) -> str:
        return f"shows exactly what session {self._writer()} holds"


def _distance(shown: int, legal: set[int] | range) -> int:
    """0 where it is legal; else from the nearest end, or from the nearest sum within."""
    if shown in legal:
        return 0
    return min(
        (shown - total for total in (legal if isinstance(legal, set) else (legal[0], legal[-1]))), key=abs
    )


def _sum(one: Choice, other: Choice) -> Choice:
    numbers = dict(one)
    for group, n in other:
        numbers[group] = numbers.get(group, 0) + n
    return frozenset(numbers.items())


def _renamed(choice: Choice) -> Choice:
    """The same choice as of now: acknowledged adds are in the sum, unanswered ones in their group."""
    numbers: dict[Hashable, int] = {}
    for group, n in choice:
        if isinstance(group, Write) and group.state in (WriteState.ACKNOWLEDGED, WriteState.REFUSED):
            continue
        if isinstance(group, Write) and group.state is WriteState.UNKNOWN:
            group = group.value
        numbers[group] = numbers.get(group, 0) + n
    return frozenset(numbers.items())


def _without(choice: Choice, group: Hashable, n: int) -> Choice:
    numbers = dict(choice)
    numbers[group] -= n
    return frozenset((other, count) for other, count in numbers.items() if count)


def _named(key: Hashable) -> str:
    return "it" if key is None else repr(key)


def _range(legal: set[int] | range) -> str:
    low, high = (legal[0], legal[-1]) if isinstance(legal, range) else (min(legal), max(legal))
    return str(low) if low == high else f"{low} to {high}"
