"""Judges a history without its run: the same ledger is told the same things in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from statefall.ledger.journey_session import JourneySession
from statefall.ledger.kinds.objects import SessionObjects
from statefall.ledger.kinds.promise import Read, Write, WriteState
from statefall.ledger.kinds.terms import PromiseKind, PromiseTerms
from statefall.ledger.session import Finding, SessionState
from statefall.ledger.session_registry import SessionRegistry
from statefall.records.errors import InputError
from statefall.records.events import Replica
from statefall.records.verdicts import Verdict

from .values import stepped, unpack
from .writing import HOW, VERSION

ENDS: Final = {word: how for how, word in HOW.items()}
HINT: Final = "the file is damaged or foreign"
NOBODY: Final = Replica("", "")
Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JudgedSession:
    """A session of a history."""

    cell: str
    session: str
    verdict: Verdict
    """What the history says when it is judged anew."""
    recorded: Verdict | None
    """What the run said of it; None where the history ends before."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class JudgedHistory:
    """What a history comes to."""

    sessions: tuple[JudgedSession, ...]
    processes: int
    lines: int
    requests: int
    whole: bool
    """Every load process wrote its last line."""


@dataclass(slots=True)
class _ReplayedProcess:
    """A load process, as its first line told it."""

    name: str
    cell: str
    terms: dict[str, PromiseTerms]
    registry: SessionRegistry
    max_reloads: int
    recorded: dict[str, Verdict] = field(default_factory=dict)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    lines: int = 0
    requests: int = 0
    ended: bool = False


@dataclass(slots=True)
class _ReplayedSession:
    process: _ReplayedProcess
    ledger: JourneySession
    by: Replica = NOBODY
    reads: dict[int, Read] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    replicas: dict[int, Replica] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


class Replay:
    """Takes the lines of a history in, in their order."""

    def __init__(self) -> None:
        self._processes: dict[str, _ReplayedProcess] = {}
        self._sessions: dict[str, _ReplayedSession] = {}
        self.lines = 0
        """How many were taken in."""

    def take(self, line: Line) -> None:
        """One line. Raises ValueError, KeyError or TypeError for one that fits nowhere."""
        self.lines += 1
        word = next(iter(line))
        if word == "history":
            self._begin_process(line)
        elif word in ("begin", "mark", "verdict", "end"):
            process = self._processes[line[word] if word in ("mark", "end") else line["process"]]
            process.lines += 1
            self._of_process(word, line, process)
        else:
            session = self._sessions[line["s"]]
            session.process.lines += 1
            session.process.requests += word == "ask"
            self._of_session(word, line, session)

    def result(self) -> JudgedHistory:
        """The verdicts after the last line."""
        processes = self._processes.values()
        judged = [
            JudgedSession(
                process.cell,
                record.session,
                record.verdict,
                process.recorded.get(record.session),
                tuple(process.findings.get(record.session, ())),
            )
            for process in processes
            for record in process.registry.records()
        ]
        return JudgedHistory(
            tuple(judged),
            len(processes),
            self.lines,
            sum(process.requests for process in processes),
            bool(processes) and all(process.ended for process in processes),
        )

    # -- load processes

    def _begin_process(self, line: Line) -> None:
        if line["history"] != VERSION:
            raise ValueError(f"histories of version {line['history']!r} are not known here")
        name, cell = _text(line["process"]), _text(line["cell"])
        if name in self._processes:
            raise ValueError(f"process {name} has begun already")
        terms = {_text(promise): _terms(each) for promise, each in line["promises"].items()}
        registry = SessionRegistry()
        self._processes[name] = _ReplayedProcess(
            name, cell, terms, registry, _number(line["max_reloads"]), lines=1
        )

    def _of_process(self, word: str, line: Line, process: _ReplayedProcess) -> None:
        if process.ended:
            raise ValueError(f"process {process.name} has ended already")
        if word == "begin":
            self._begin_session(line, process)
        elif word == "mark":
            process.registry.mark()
        elif word == "verdict":
            process.recorded[_text(line["session"])] = Verdict(line["verdict"])
        else:
            process.ended = True
            if (line["lines"], line["requests"]) != (process.lines, process.requests):
                raise ValueError(
                    f"process {process.name} wrote {line['lines']} lines and {line['requests']} requests, "
                    f"of which {process.lines} and {process.requests} are here"
                )
            unknown = process.recorded.keys() - {record.session for record in process.registry.records()}
            if unknown:
                raise ValueError(f"a verdict on session {min(unknown)}, which never began")

    def _begin_session(self, line: Line, process: _ReplayedProcess) -> None:
        name = _text(line["begin"])
        objects, owner = SessionObjects(), unpack(line["user"])
        who = {each: unpack(value) for each, value in line.get("who", {}).items()}
        known = process.registry.known_writes
        promises = {
            each: terms.promise(each, objects.clock, owner=owner, others=known, who=who.get(each))
            for each, terms in process.terms.items()
        }
        for promise in promises.values():
            objects.hold(promise)
        ledger = JourneySession(
            int(name.partition("/")[0]),
            _number(line["user_id"]),
            objects,
            promises,
            home=NOBODY,
            started_s=float(line["at"]),
            max_reloads=process.max_reloads,
        )
        self._sessions[name] = _ReplayedSession(process, ledger)

    # -- sessions

    def _of_session(self, word: str, line: Line, session: _ReplayedSession) -> None:
        ledger = session.ledger
        if ledger.state is SessionState.LOST and word not in (*ENDS, "became"):
            raise ValueError("its session is over")
        if "by" in line:
            pod, _, boot = _text(line["by"]).rpartition("/")
            session.by = Replica(pod, boot)
        if word in ENDS:
            self._end(word, line, session)
        elif word == "ask":
            self._ask(line, session)
        elif word == "shows":
            self._show(line, session)
        elif word == "broken":
            self._found(session, ledger.expect(_text(line["broken"]), False, line["evidence"], session.by))
        elif word == "settle":
            self._found(session, ledger.settle(session.by, float(line["at"])))
        elif word == "audit":
            if line["audit"] is None:
                ledger.awaits_audit()
            else:
                ledger.audited(tuple(_text(name) for name in line["audit"]))
        elif word == "became":
            ledger.became(line["became"], unpack(line["who"]))
        elif word == "session":
            session.process.registry.admit(ledger)
            ledger.admitted(session.by, float(line["at"]))
            if ledger.session != line["session"]:
                raise ValueError(f"session {line['session']!r} should be {ledger.session!r}")
            session.process.findings[ledger.session] = session.findings
        else:
            raise ValueError(f"nothing is said with {word!r}")

    def _ask(self, line: Line, session: _ReplayedSession) -> None:
        if "task" in line:
            session.ledger.begin_task(line["task"])
            for number in session.ended:  # one that is still under way may be answered yet
                session.reads.pop(number, None)
            session.ended.clear()
        writes = [
            Write(session.ledger.promises[name], unpack(key), unpack(value))
            for name, key, value in line.get("writes", ())
        ]
        session.reads[_number(line["ask"])] = session.ledger.ask(*writes, at_s=float(line["at"]))

    def _end(self, word: str, line: Line, session: _ReplayedSession) -> None:
        number, how = _number(line[word]), ENDS[word]
        read = session.reads[number]
        session.ended.append(number)
        if "status" not in line:
            sent = how is not WriteState.REFUSED
            session.ledger.unanswered(read, line["reason"], float(line["at"]), sent=sent)
            return
        session.replicas[number] = session.by
        knows = line.get("knows")
        found = session.ledger.answered(
            read, _number(line["status"]), how, session.by, float(line["at"]),
            knows=knows, told=_text(line.get("told", "")), last=bool(line.get("last")),
        )  # fmt: skip
        self._found(session, found)

    def _show(self, line: Line, session: _ReplayedSession) -> None:
        number, name = _number(line["shows"]), line["of"]
        seen = session.shown[name] = stepped(session.shown.get(name), line)
        found = session.ledger.compare(
            name, unpack(seen), session.reads[number], session.replicas[number], float(line["at"])
        )
        self._found(session, found)

    def _found(self, session: _ReplayedSession, findings: Iterable[Finding]) -> None:
        session.process.registry.settle(session.ledger)
        session.findings += findings


def judge(lines: Iterable[Line], where: str) -> JudgedHistory:
    """The verdicts of a history. Raises InputError, in one line, for what is none."""
    replay = Replay()
    try:
        for line in lines:
            replay.take(line)
    except KeyError as error:
        raise InputError(
            f"line {replay.lines}: nothing is known of {error.args[0]!r:.60}", where=where, hint=HINT
        ) from None
    except (
        ValueError, TypeError, AttributeError, AssertionError, StopIteration, RecursionError, OverflowError
    ) as error:  # fmt: skip
        what = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"line {replay.lines}: {what:.200}", where=where, hint=HINT) from None
    if not replay.lines:
        raise InputError("no history is in it", where=where, hint=HINT)
    return replay.result()


def _terms(given: Any) -> PromiseTerms:
    kind = PromiseKind(given["kind"])
    initial = unpack(given["initial"]) if "initial" in given else None
    return PromiseTerms(kind, initial, given.get("window"))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is due instead of {value!r:.60}")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a whole number is due instead of {value!r:.60}")
    return value
