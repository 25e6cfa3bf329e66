"""Writes the history of one load process, line by line as it happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from statefall.ledger.kinds.promise import Write, WriteState
from statefall.ledger.kinds.terms import PromiseKind, PromiseTerms
from statefall.records.events import Replica
from statefall.records.verdicts import SessionRecord

from .values import pack, step

VERSION: Final = 1
HOW: Final = {WriteState.ACKNOWLEDGED: "ok", WriteState.REFUSED: "fail", WriteState.UNKNOWN: "info"}
"""What became of a request's writes -> the word of its line."""
DIGITS: Final = 6

_written: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

Keep = Callable[[str], None]
"""Takes a line, without its end."""


@dataclass(slots=True)
class ProcessHistory:
    """The sessions of one load process. `at_s` are moments of its monotonic clock."""

    process: str
    """A name that no other process of the run has."""
    keep: Keep
    _began_s: float = 0.0
    _lines: int = 0
    _requests: int = 0
    _attempts: dict[int, int] = field(default_factory=dict)
    _open: bool = False

    def begin(
        self, cell: str, journey: str, promises: Mapping[str, PromiseTerms], max_reloads: int, at_s: float
    ) -> None:
        """The first line: what every session of this process promises."""
        self._began_s, self._open = at_s, True
        terms = {name: _terms(each) for name, each in promises.items()}
        self.line(
            history=VERSION, process=self.process, cell=cell, journey=journey, max_reloads=max_reloads,
            promises=terms, monotonic_s=round(at_s, DIGITS),
        )  # fmt: skip

    def session(
        self, shopper: int, user_id: int, owner: Hashable, who: Mapping[str, Hashable], at_s: float
    ) -> SessionHistory:
        """A shopper begins to log in."""
        attempt = self._attempts[shopper] = self._attempts.get(shopper, 0) + 1
        begun = SessionHistory(self, f"{shopper}/{attempt}")
        named = {"who": {name: pack(each) for name, each in who.items()}} if who else {}
        self.line(
            begin=begun.name, process=self.process, user=pack(owner), user_id=user_id, at=self.since(at_s),
            **named,
        )  # fmt: skip
        return begun

    def mark(self, at_s: float) -> None:
        """Verdicts count from here on."""
        if self._open:
            self.line(mark=self.process, at=self.since(at_s))

    def end(self, records: Iterable[SessionRecord]) -> None:
        """The verdicts of all sessions, and the last line, which says how many there were."""
        if self._open:
            for record in records:
                self.line(verdict=record.verdict.value, session=record.session, process=self.process)
            self._open = False
            self.line(end=self.process, lines=self._lines + 1, requests=self._requests)

    def since(self, at_s: float) -> float:
        """Seconds since the first line."""
        return round(at_s - self._began_s, DIGITS)

    def line(self, **fields: Any) -> None:
        """Keep a line."""
        self._lines += 1
        self._requests += "ask" in fields
        self.keep(_written(fields))


@dataclass(slots=True)
class SessionHistory:
    """The lines of one session."""

    process: ProcessHistory
    name: str
    """`<shopper>/<its attempt to log in>`."""
    _requests: int = 0
    _shown: dict[str, Any] = field(default_factory=dict)
    _by: Replica | None = None
    _task: str = ""

    def began_task(self, name: str) -> None:
        """What was answered before is compared no more."""
        self._task = name

    def asked(self, what: str, operation: int, writes: Sequence[Write], at_s: float) -> int:
        """A request is about to be sent, its first operation the shopper's so-manieth; returns its number."""
        self._requests += 1
        fields: dict[str, Any] = {"ask": self._requests, "s": self.name, "at": self.process.since(at_s)}
        if self._task:
            fields["task"], self._task = self._task, ""
        fields |= {"do": what, "op": operation}
        if writes:
            fields["writes"] = [[write.of, pack(write.key), pack(write.value)] for write in writes]
        self.process.line(**fields)
        return self._requests

    def ended(self, request: int, how: WriteState, at_s: float, **more: Any) -> None:
        """How it ended, and what that says of its writes."""
        fields: dict[str, Any] = {HOW[how]: request, "s": self.name, "at": self.process.since(at_s)}
        self.process.line(**fields, **more)

    def by(self, replica: Replica) -> dict[str, str]:
        """Who answered, where it is another one than before."""
        if replica == self._by:
            return {}
        self._by = replica
        return {"by": f"{replica.pod}/{replica.boot}"}

    def shown(self, request: int, name: str, seen: Any, at_s: float) -> None:
        """What its answer shows of a promise."""
        now = pack(seen)
        before, self._shown[name] = self._shown.get(name), now
        self.process.line(
            shows=request, s=self.name, at=self.process.since(at_s), of=name, **step(before, now)
        )

    def word(self, **fields: Any) -> None:
        """Anything else that the ledger was told."""
        self.process.line(**fields, s=self.name)


def shifted(line: str, offset_s: float) -> str:
    """The same line on a clock that is so far ahead: only a first line tells a moment of the clock."""
    if not offset_s or not line.startswith('{"history"'):
        return line
    fields = json.loads(line)
    fields["monotonic_s"] = round(fields["monotonic_s"] + offset_s, DIGITS)
    return _written(fields)


def _terms(terms: PromiseTerms) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": terms.kind.value}
    if terms.initial is not None:
        listed = terms.kind in (PromiseKind.SET, PromiseKind.LOG)
        fields["initial"] = pack(list(terms.initial) if listed else dict(terms.initial))
    if terms.window is not None:
        fields["window"] = terms.window
    return fields
