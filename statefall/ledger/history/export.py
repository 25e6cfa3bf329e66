"""A history's registers and counters as operations for checkers of linearisability.

One object for each key of each promise of each session; for each object the writes and reads that its
session made. A write of unknown outcome never returns: a checker may have it applied at any later time, or
never. One that was refused is left out. Moments are numbers of lines: what stands earlier was earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from statefall.ledger.kinds.terms import PromiseKind

from .values import pack, stepped, unpack

NEVER: Final = (1 << 53) - 1
"""When a write returns whose outcome is not known."""
MODELS: Final = {
    PromiseKind.COUNTER: "counter",
    PromiseKind.REGISTER: "register",
    PromiseKind.REGISTERS: "register",
}

Operation = dict[str, Any]


@dataclass(slots=True)
class _ExportedObject:
    """One key of one promise."""

    key: Any
    operations: list[Operation] = field(default_factory=list)


@dataclass(slots=True)
class _ExportedPromise:
    """What one promise of one session was asked and showed."""

    kind: PromiseKind
    model: str
    starts: dict[Any, Any] | None
    """What is there at the begin; None: the first read says it."""
    keys: dict[Any, _ExportedObject] = field(default_factory=dict)
    reads: list[tuple[int, int, dict[Any, Any]]] = field(default_factory=list)
    before: Any = None

    def object(self, key: Any) -> _ExportedObject:
        return self.keys.setdefault(key, _ExportedObject(key))


@dataclass(slots=True)
class _ExportedSession:
    name: str
    cell: str
    promises: dict[str, _ExportedPromise]
    asked: dict[int, int] = field(default_factory=dict)
    """Request -> when it was sent."""
    answered: dict[int, int] = field(default_factory=dict)
    writes: dict[int, list[tuple[_ExportedObject, Operation]]] = field(default_factory=dict)


def operations(lines: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One document for each object: `session`, `promise`, `key`, `model`, `initial` and `operations`.

    The lines are those of a history that can be judged.
    """
    terms: dict[str, tuple[str, dict[str, Any]]] = {}
    sessions: dict[str, _ExportedSession] = {}
    done: list[_ExportedSession] = []
    for at, line in enumerate(lines):
        word = next(iter(line))
        if word == "history":
            terms[line["process"]] = (line["cell"], line["promises"])
        elif word == "begin":
            sessions[line["begin"]] = _begun(*terms[line["process"]])
            done.append(sessions[line["begin"]])
        elif "s" in line:
            _take(word, line, at, sessions[line["s"]])
    for session in done:
        if session.name:
            yield from _documents(session)


def _begun(cell: str, promises: Mapping[str, Any]) -> _ExportedSession:
    shown = {}
    for name, terms in promises.items():
        kind = PromiseKind(terms["kind"])
        if kind in MODELS:
            shown[name] = _ExportedPromise(
                kind, MODELS[kind], unpack(terms["initial"]) if "initial" in terms else None
            )
    return _ExportedSession("", cell, shown)


def _take(word: str, line: Mapping[str, Any], at: int, session: _ExportedSession) -> None:
    if word == "session":
        session.name = line["session"]
    elif word == "ask":
        number = line["ask"]
        session.asked[number] = at
        for name, key, value in line.get("writes", ()):
            if (promise := session.promises.get(name)) is not None:
                kind = "add" if promise.model == "counter" else "write"
                write = {"call": at, "return": NEVER, "f": kind, "value": value}
                session.writes.setdefault(number, []).append((promise.object(unpack(key)), write))
    elif word in ("ok", "fail", "info"):
        session.answered[line[word]] = at
        for target, write in session.writes.pop(line[word], ()):
            if word == "ok":
                write["return"] = at
            if word != "fail":
                target.operations.append(write)
    elif word == "shows" and (promise := session.promises.get(line["of"])) is not None:
        promise.before = stepped(promise.before, line)
        seen = unpack(promise.before)
        values = {None: seen} if promise.kind is PromiseKind.REGISTER else seen
        number = line["shows"]
        promise.reads.append((session.asked[number], session.answered[number], values))


def _documents(session: _ExportedSession) -> Iterator[dict[str, Any]]:
    for writes in session.writes.values():  # not answered when the history ended
        for target, write in writes:
            target.operations.append(write)
    for name, promise in session.promises.items():
        nothing = 0 if promise.model == "counter" else None
        for _, _, values in promise.reads:
            for key in values:
                promise.object(key)
        for key, target in promise.keys.items():
            reads = [
                {"call": called, "return": returned, "f": "read", "value": pack(values.get(key, nothing))}
                for called, returned, values in promise.reads
            ]
            document: dict[str, Any] = {
                "cell": session.cell, "session": session.name, "promise": name, "key": pack(key),
                "model": promise.model,
            }  # fmt: skip
            if promise.starts is not None:
                document["initial"] = pack(promise.starts.get(key, nothing))
            found = sorted([*target.operations, *reads], key=lambda each: each["call"])
            yield {**document, "operations": found}
