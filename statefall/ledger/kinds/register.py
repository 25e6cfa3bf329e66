"""Registers: the last acknowledged value, of one thing or of many by key. A name, a theme, an address.

None stands for "no value": it is what a key shows that is not shown. A value of unknown outcome may
win at any later time, also over newer ones, until a read has shown it; a value that was shown and
then overwritten may not come back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from statefall.ledger.deviation import Deviation
from statefall.records.verdicts import Verdict

from .known_writes import KnownWrites
from .promise import Clock, Promise, Read, Sight, Write, WriteState

MOST_WRONG: Final = 4


class _Anything:
    """The value that a register had before its session began, when nobody said which."""


_ANYTHING: Final = _Anything()


@dataclass(frozen=True, slots=True)
class _Value:
    """One key that has more than one possible value, or a deviation behind it."""

    values: tuple[tuple[Any, int], ...]
    """What may be the value, if no open write wins: `(value, since when it surely was applied)`."""
    under_way: tuple[Write, ...] = ()
    unknown: tuple[Any, ...] = ()
    told: tuple[Any, ...] = ()
    """Wrong values that were told already."""
    wrong: bool = False
    """The last read differed."""
    flapped: bool = False
    """That it came back was told."""


class RegistersPromise(Promise):
    """Many registers by key. `initial`: what they hold at the begin; None takes the first read as it is."""

    __slots__ = ("_cells", "_initial", "_learns", "_lenient", "_started", "_values")

    def __init__(
        self,
        name: str = "registers",
        clock: Clock | None = None,
        *,
        owner: Hashable = None,
        others: KnownWrites | None = None,
        initial: Mapping[Any, Any] | None = None,
        learns: bool = True,
    ) -> None:
        """`learns=False`: answers may come from two copies, so that one read says nothing of the next."""
        super().__init__(name, clock, owner=owner, others=others)
        self._started = initial is not None
        self._initial = {key: value for key, value in (initial or {}).items() if value is not None}
        self._values: dict[Hashable, Any] = dict(self._initial)
        """Keys with exactly one legal value."""
        self._cells: dict[Hashable, _Value] = {}
        self._learns = learns
        self._lenient = False

    @property
    def initial(self) -> Mapping[Any, Any]:
        """What every new session begins with, as far as it is known."""
        return self._initial

    @property
    def holds_anything(self) -> bool:
        """Whether a value was acknowledged or found that not every new session begins with."""
        return any(value != self._initial.get(key) for key, value in self._values.items()) or any(
            value not in (None, _ANYTHING, self._initial.get(key))
            for key, cell in self._cells.items()
            for value, _ in cell.values
        )

    @property
    def open_values(self) -> dict[Hashable, set[Any]]:
        """Values of unknown outcome: they may come to light also in the user's next session."""
        return {key: set(cell.unknown) for key, cell in self._cells.items() if cell.unknown}

    def write(self, key: Hashable, value: Any) -> Write:
        """Declare a write; None removes the value."""
        return Write(self, key, value)

    def acknowledged(self, key: Hashable, value: Any) -> None:
        """A write that began and was acknowledged just now, with nothing in between."""
        if self.clock.reads or self.others is not None or key in self._cells:
            write = self.write(key, value)
            write.begin()
            write.acknowledge()
        else:
            self._remember_old(key, self._values.get(key))
            self._set(key, value)

    def may_show(self, key: Hashable, values: Iterable[Any]) -> None:
        """Values that an earlier session of the same user left open."""
        cell = self._cell(key)
        self._cells[key] = replace(cell, unknown=(*cell.unknown, *values))

    def excuse_next(self) -> None:
        """The next read's differences belong to a deviation that was told already."""
        self._lenient = True

    def check(self, seen: Mapping[Any, Any], read: Read | None = None) -> list[Deviation]:
        """`seen`: the value of each key that is shown; absent is None."""
        saved = None if read is None else read.saved(self)
        if saved is None and self._started and not self._cells and seen == self._values:
            self._lenient, self.sight = False, Sight.WHOLE
            return []
        values, cells, started = saved or (self._values, self._cells, self._started)
        self.save(besides=read)
        begun = [] if read is None else read.begun_since(self)
        own = {id(write) for write in (read.own if read else ()) if write.state is WriteState.ACKNOWLEDGED}
        since = self.clock.now if read is None else read.begun
        found: list[Deviation] = []
        promised = missing = 0
        self.sight = Sight.WHOLE
        for key in dict.fromkeys([*values, *cells, *(write.key for write in begun), *seen]):
            shown = seen.get(key)
            fallback = None if started else _ANYTHING
            cell = cells.get(key) or _Value(((values.get(key, fallback), -1),))
            surely = [value for value, _ in cell.values]
            open_writes = [
                write
                for write in (*cell.under_way, *(write for write in begun if write.key == key))
                if write.state is not WriteState.REFUSED
            ]
            mine = [write for write in open_writes if id(write) in own]
            if mine:
                oldest = max(write.begun for write in mine)
                surely = [value for value, ended in cell.values if ended >= oldest]
                surely += [write.value for write in mine]
            maybe = [*(write.value for write in open_writes), *cell.unknown]
            legal = [*surely, *maybe]
            empty = self._initial.get(key) if started else None
            due = None not in legal and _ANYTHING not in legal
            promised += due and not (shown == empty and empty in legal)
            missing += due and (shown is None or (shown == empty and empty not in legal))
            if legal[0] is _ANYTHING and shown is not None and self._is_known_stranger(key, shown):
                legal.remove(_ANYTHING)
            if shown in legal or _ANYTHING in legal:
                if self._right(key):
                    found.append(Deviation(Verdict.ROLLED_BACK, f"{self._word(key, shown)} came back"))
                if self._learns:
                    self._learn(key, shown, since, cell, [*surely, *maybe])
                continue
            self.sight = Sight.PART
            if not self._told(key, shown):
                found.append(self._deviation(key, shown, legal))
        if promised and missing == promised:
            self.sight = Sight.NOTHING
        self._started = True
        if self._lenient:
            found = []
        self._lenient = False
        if (
            found
            and promised
            and missing == promised
            and not any(deviation.verdict is Verdict.FOREIGN for deviation in found)
        ):
            strange = [d.evidence for d in found if d.evidence.startswith("shows")]
            found = [
                Deviation(Verdict.LOST, "; ".join([f"nothing of {promised} promised is shown", *strange]))
            ]
        return self._merge(found)

    # -- what writes do

    def _began(self, write: Write) -> None:
        cell = self._cell(write.key)
        self._cells[write.key] = replace(cell, under_way=(*cell.under_way, write))

    def _acknowledged(self, write: Write) -> None:
        cell = self._cells.get(write.key)
        if cell is None or write not in cell.under_way:
            return  # a read has shown it before
        values = tuple(pair for pair in cell.values if pair[1] >= write.begun)
        for value, _ in cell.values:
            self._remember_old(write.key, value)
        cell = replace(
            cell, values=(*values, (write.value, write.ended)), told=(), wrong=False, flapped=False
        )
        self._close(write, cell)

    def _refused(self, write: Write) -> None:
        self._remember_refusal(write)
        if write.key in self._cells:
            self._close(write, self._cells[write.key])

    def _left_open(self, write: Write) -> None:
        cell = self._cells.get(write.key)
        if cell is not None and write in cell.under_way:
            self._close(write, replace(cell, unknown=(*cell.unknown, write.value)))

    def _close(self, write: Write, cell: _Value) -> None:
        under_way = tuple(other for other in cell.under_way if other is not write)
        self._keep(write.key, replace(cell, under_way=under_way))

    def _cell(self, key: Hashable) -> _Value:
        cell = self._cells.get(key)
        if cell is None:
            fallback = None if self._started else _ANYTHING
            cell = _Value(((self._values.pop(key, fallback), -1),))
            self._cells[key] = cell
        return cell

    def _keep(self, key: Hashable, cell: _Value) -> None:
        if (
            len(cell.values) > 1
            or cell.under_way
            or cell.unknown
            or cell.told
            or cell.values[0][0] is _ANYTHING
        ):
            self._cells[key] = cell
        else:
            self._cells.pop(key, None)
            self._set(key, cell.values[0][0])

    def _set(self, key: Hashable, value: Any) -> None:
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def _remember_old(self, key: Hashable, value: Any) -> None:
        if value is not None and value is not _ANYTHING:
            self._remember(key, value)

    def _snapshot(self) -> Any:
        return dict(self._values), dict(self._cells), self._started

    # -- what reads do

    def _learn(self, key: Hashable, shown: Any, since: int, before: _Value, legal: list[Any]) -> None:
        """It was the value at some moment of the read: what was certain before is overwritten."""
        cell = self._cells.get(key)
        if cell is None:
            if not self._started and key not in self._values:
                self._set(key, shown)
            return
        if cell.wrong:
            return
        values = tuple(pair for pair in cell.values if pair[0] == shown or pair[1] >= since)
        if _ANYTHING in legal and cell.values[0][0] is _ANYTHING:
            values = ((shown, -1), *values)
        if all(value != shown for value, _ in values):
            # An open write explains it: it is settled where no other write could be meant.
            if shown not in legal or _ANYTHING in legal:
                return
            writes = [write for write in cell.under_way if write.value == shown]
            unknown = list(cell.unknown)
            if legal.count(shown) == before.unknown.count(shown) == unknown.count(shown) and not writes:
                unknown.remove(shown)
            elif legal.count(shown) == len(writes) == 1 and shown not in unknown:
                writes[0].ended = self.clock.now
                cell = replace(cell, under_way=tuple(w for w in cell.under_way if w is not writes[0]))
            else:
                return
            for value, _ in cell.values:
                self._remember_old(key, value)
            cell = replace(cell, unknown=tuple(unknown))
            values = (*values, (shown, self.clock.now))
        self._keep(key, replace(cell, values=values))

    def _right(self, key: Hashable) -> bool:
        """Note that it is as promised; whether that it came back is news."""
        cell = self._cells.get(key)
        if cell is None or not cell.wrong:
            return False
        self._cells[key] = replace(cell, wrong=False, flapped=True)
        return not cell.flapped

    def _told(self, key: Hashable, shown: Any) -> bool:
        """Note that it is wrong; whether this wrong value was told already."""
        cell = self._cell(key)
        told = cell.told if shown in cell.told else (*cell.told, shown)[-MOST_WRONG:]
        self._cells[key] = replace(cell, told=told, wrong=True)
        return shown in cell.told

    def _deviation(self, key: Hashable, shown: Any, legal: list[Any]) -> Deviation:
        instead = " or ".join(dict.fromkeys("nothing" if v is None else repr(v) for v in legal))
        if shown is None:
            return Deviation(Verdict.ROLLED_BACK, f"{self._word(key, shown)} instead of {instead}")
        if self.wrote(key, shown) or self._initial.get(key) == shown:
            return Deviation(
                Verdict.ROLLED_BACK, f"{self._word(key, shown)} instead of {instead}: an older value"
            )
        stranger = self._stranger(key, shown, self._word(key, shown).removeprefix("shows "))
        return replace(stranger, evidence=f"{stranger.evidence}, instead of {instead or 'nothing'}")

    def _is_known_stranger(self, key: Hashable, shown: Any) -> bool:
        return (
            self.others is not None
            and self.others.other_writer(self.owner, self.name, key, shown) is not None
        )

    def _word(self, key: Hashable, shown: Any) -> str:
        return f"shows {'nothing' if shown is None else repr(shown)} as {key!r}"


class RegisterPromise(RegistersPromise):
    """One register: `set` and `check` take its value alone."""

    __slots__ = ()

    def set(self, value: Any) -> Write:
        """Declare a write."""
        return self.write(None, value)

    def check(self, seen: Any, read: Read | None = None) -> list[Deviation]:
        """`seen`: the value that is shown; None: no value."""
        return super().check({} if seen is None else {None: seen}, read)

    def _word(self, key: Hashable, shown: Any) -> str:
        return "shows nothing" if shown is None else f"shows {shown!r}"
