"""One session of a journey of anybody's making, held to the promises that the journey declares.

Which answers know the session is for the journey to say; whether what they show is legal, the promises
say. A session that is not known any more was lost; so was one of which everything that was promised is
missing at once, because a new one was made in its place without a word.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from statefall.records.events import Replica
from statefall.records.verdicts import Verdict

from .deviation import Deviation
from .history.values import pack
from .history.writing import SessionHistory
from .kinds.identity import IdentityPromise
from .kinds.invariant import Invariant
from .kinds.objects import SessionObjects
from .kinds.promise import Promise, Read, Sight, Write, WriteState
from .restarts import Restarts, nothing
from .session import SEVERITY, Finding, SessionState

FORBIDDEN: Final = 403
SINCE: Final = "only what was written since"


@dataclass(slots=True)
class JourneySession:
    """What was promised to one session and what became of it. Times: the caller's monotonic clock."""

    shopper: int
    user_id: int
    objects: SessionObjects
    promises: Mapping[str, Promise]
    home: Replica
    """The replica that showed this session's state last; empty where nobody says who answers."""
    started_s: float
    max_reloads: int
    history: SessionHistory | None = None
    """Where all that is said here is written down."""
    session: str = ""
    """Its name, once it is among the sessions of its process."""
    ended_s: float | None = None
    home_since_s: float = field(init=False)
    home_at_mark: Replica | None = None
    state: SessionState = SessionState.LIVE
    worst: Verdict = Verdict.KEPT
    told: set[tuple[Replica, str]] = field(default_factory=set)
    """Which replicas answered that the session is gone, and how."""
    acknowledged_version: int = 0
    """How many writes were acknowledged."""
    _reported: set[Verdict] = field(default_factory=set)
    _unknown_at: list[Replica] = field(default_factory=list)
    _unknown_in_a_row: int = 0
    _forbidden: bool = False
    """All answers since it became suspect were 403."""
    _returned: bool = False
    """It was unknown and is known again; whether it is intact, a comparison will tell."""
    _compared: set[str] = field(default_factory=set)
    """Promises that were compared since the mark."""
    _audited: frozenset[str] | None = None
    """Promises that the last audit asked for; None: there was none since the mark."""
    _awaits_audit: bool = False
    """An audit is due, or could not be made."""
    _recognised: bool = True
    """An answer knew the session since the mark."""
    _invariants: dict[str, Invariant] = field(default_factory=dict)
    _restarts: Restarts = field(default_factory=Restarts)

    _now_s: float = field(init=False)
    """When the latest answer was held to the promises."""
    _seen_s: float = field(init=False)
    """When an answer had last shown a promise as it should be."""

    def __post_init__(self) -> None:
        self.home_since_s = self._now_s = self._seen_s = self.started_s

    @property
    def holds(self) -> tuple[str, ...]:
        """The promises that a read can show to be kept."""
        return tuple(name for name, promise in self.promises.items() if promise.holds_anything)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Promises that must be read before it is known whether the session was lost."""
        return self.objects.undecided

    @property
    def verdict(self) -> Verdict:
        """As of now."""
        asked = self.holds if self._audited is None else self._audited
        unseen = self._awaits_audit or not self._recognised or not self._compared.issuperset(asked)
        if self.worst is Verdict.KEPT and (self.state is SessionState.SUSPECT or self.undecided or unseen):
            return Verdict.INDETERMINATE
        return self.worst

    def admitted(self, home: Replica, at_s: float) -> None:
        """The login has worked: the session, which is named by now, lives here."""
        self.home = home
        self.started_s = self.home_since_s = at_s
        if self.history is not None:
            since = self.history.process.since(at_s)
            self.history.word(session=self.session, at=since, **self.history.by(home))

    def mark(self) -> Replica:
        """Judge anew from this moment on; returns where the session lives now."""
        self.home_at_mark = self.home
        self.worst = Verdict.KEPT
        self._compared.clear()
        self._audited, self._awaits_audit, self._recognised = None, False, False
        return self.home

    def awaits_audit(self) -> None:
        """Until an audit has read what was promised, it is undecided whether the session was kept."""
        self._awaits_audit = True
        if self.history is not None:
            self.history.word(audit=None)

    def audited(self, names: tuple[str, ...]) -> None:
        """An audit has read these promises, all that there were; later ones leave nothing open."""
        self._audited, self._awaits_audit = frozenset(names), False
        if self.history is not None:
            self.history.word(audit=list(names))

    # -- requests

    def became(self, name: str, who: Hashable) -> None:
        """The login said who this session is, to the promise of this name."""
        promise = self.promises[name]
        assert isinstance(promise, IdentityPromise)
        promise.became(who)
        if self.history is not None:
            self.history.word(became=name, who=pack(who))

    def begin_task(self, name: str) -> None:
        """From now on it is another task's: what was answered before is compared no more."""
        self.objects.clock.reads.clear()
        if self.history is not None:
            self.history.began_task(name)

    def ask(self, *writes: Write, at_s: float, what: str = "", operation: int = 0) -> Read:
        """A request is about to be sent, with these writes."""
        for write in writes:
            write.begin()
        read = self.objects.begin_read(*writes)
        if self.history is not None:
            read.number = self.history.asked(what, operation, writes, at_s)
        return read

    def unanswered(self, read: Read, reason: str, at_s: float, *, sent: bool) -> None:
        """No whole answer came, or one of 500 and above. `sent`: it may have been carried out."""
        how = WriteState.UNKNOWN if sent else WriteState.REFUSED
        if self.history is not None:
            self.history.ended(read.number, how, at_s, reason=reason)
        self._close(read.own, how)

    def answered(
        self, read: Read, status: int, how: WriteState, replica: Replica, at_s: float, *,
        knows: bool | None = None, told: str = "", last: bool = False,
    ) -> tuple[Finding, ...]:  # fmt: skip
        """An answer came; `how` is what it says of the writes. `knows`: whether it knows the session, None
        while it begins; where it does not, `told` is how it says so, and `last` that nothing can be reloaded.
        """
        if self.history is not None:
            more: dict[str, object] = {"status": status, **self.history.by(replica)}
            if knows is not None:
                more["knows"] = knows
            if knows is False:
                more |= {"told": told, "last": last}
            self.history.ended(read.number, how, at_s, **more)
        findings = self._known(replica, at_s) if knows else ()
        self._close(read.own, how)
        if knows is False:
            self._forbidden = status == FORBIDDEN and (self._forbidden or not self._unknown_at)
            findings += self._unknown(replica, told, at_s, last=last)
        return findings

    def _known(self, replica: Replica, at_s: float) -> tuple[Finding, ...]:
        """What it shows is still to be compared."""
        self._recognised, self._now_s, self._unknown_in_a_row = True, at_s, 0
        if self.state is SessionState.SUSPECT:
            self.state, self._returned = SessionState.LIVE, True
        if self.holds:
            return ()
        self._lives_at(replica, at_s)
        return self._came_back(replica)

    def _unknown(self, replica: Replica, told: str, at_s: float, *, last: bool) -> tuple[Finding, ...]:
        self._now_s = at_s
        self.told.add((replica, told))
        self._unknown_at.append(replica)
        self._unknown_in_a_row += 1
        if self._unknown_in_a_row <= self.max_reloads and not last:
            self.state = SessionState.SUSPECT
            return ()
        times = f", {self._unknown_in_a_row} times" if self._unknown_in_a_row > 1 else ""
        return self._lose(f"{told}{times}", replica, at_s)

    def _close(self, writes: tuple[Write, ...], how: WriteState) -> None:
        for write in writes:
            if how is WriteState.ACKNOWLEDGED:
                write.acknowledge()
                self.acknowledged_version += 1
                self._restarts.acknowledged(write.of, write)
            elif how is WriteState.REFUSED:
                write.refuse()
            else:
                write.leave_open()
                self._restarts.left_open(write.of)

    # -- what answers show

    def compare(
        self, name: str, seen: object, read: Read, replica: Replica, at_s: float
    ) -> tuple[Finding, ...]:
        """Hold what an answer shows of one promise to all that was acknowledged. The read stays open."""
        if self.history is not None:
            self.history.shown(read.number, name, seen, at_s)
        self._compared.add(name)
        self._now_s = at_s
        promise = self.promises[name]
        made_anew = self._restarts.shows_new_session(name, promise, seen, read)
        deviations = self.objects.check({name: nothing(promise) if made_anew else seen}, read)
        if not deviations and promise.sight is Sight.WHOLE and not made_anew:
            self._restarts.intact(name)
        if not self.undecided:
            self._restarts.decided(intact=not deviations)
        if made_anew:
            deviations = [replace(each, evidence=f"{each.evidence}, {SINCE}") for each in deviations]
        self.objects.clock.reads.append(read)  # the same answer may show more
        findings = self._judge(deviations, replica, at_s)
        verdicts = {deviation.verdict for deviation in deviations}
        if self.state is SessionState.LOST or self.undecided or Verdict.FOREIGN in verdicts:
            return findings
        if promise.holds_anything:
            self._lives_at(replica, at_s)
            if deviations:
                self._returned = False
                self._unknown_at.clear()
            else:
                self._seen_s = at_s
                findings += self._came_back(replica)
        return findings

    def settle(self, replica: Replica, at_s: float) -> tuple[Finding, ...]:
        """Nothing more can be read: what showed nothing counts as rolled back."""
        if self.history is not None:
            self.history.word(settle=True, at=self.history.process.since(at_s), **self.history.by(replica))
        self._now_s = at_s
        self._restarts.decided(intact=False)
        return self._judge(self.objects.settle(), replica, at_s)

    def expect(self, name: str, holds: bool, evidence: str, replica: Replica) -> tuple[Finding, ...]:
        """An invariant of the journey's own."""
        if self.history is not None and not holds:
            self.history.word(broken=name, evidence=evidence, **self.history.by(replica))
        deviations = self._invariants.setdefault(name, Invariant(name)).check(holds, evidence)
        return self._judge(deviations, replica, 0.0)

    def _judge(self, deviations: list[Deviation], replica: Replica, at_s: float) -> tuple[Finding, ...]:
        verdicts = {deviation.verdict for deviation in deviations}
        if Verdict.LOST in verdicts:
            return self._lose(_evidence(deviations, Verdict.LOST), replica, at_s)
        if Verdict.FOREIGN in verdicts:
            verdicts = {Verdict.FOREIGN}
        findings: tuple[Finding, ...] = ()
        for verdict in sorted(verdicts, key=SEVERITY.index, reverse=True):
            findings += self._report(verdict, _evidence(deviations, verdict), replica)
        return findings

    def _came_back(self, replica: Replica) -> tuple[Finding, ...]:
        """Intact after it was unknown: only the way to it had been wrong."""
        if not self._returned:
            return ()
        self._returned = False
        if self._forbidden and set(self._unknown_at) == {replica}:
            # This very replica knew the session, and did not do what was asked.
            self._unknown_at.clear()
            return ()
        places = ", ".join(dict.fromkeys(each.pod or "a replica" for each in self._unknown_at))
        evidence = f"unknown at {places}, then intact at {replica.pod or 'another answer'}"
        findings = self._report(Verdict.MISROUTED, evidence, replica)
        self._unknown_at.clear()
        return findings

    def _lives_at(self, replica: Replica, at_s: float) -> None:
        if replica.pod and replica != self.home:
            self.home, self.home_since_s = replica, at_s

    def _lose(self, evidence: str, replica: Replica, at_s: float) -> tuple[Finding, ...]:
        self.state = SessionState.LOST
        self.ended_s = at_s
        return self._report(Verdict.LOST, evidence, replica)

    def _report(self, verdict: Verdict, evidence: str, replica: Replica) -> tuple[Finding, ...]:
        """The verdict counts every time; a finding is made the first time only."""
        self.worst = max(self.worst, verdict, key=SEVERITY.index)
        if verdict in self._reported:
            return ()
        self._reported.add(verdict)
        return (
            Finding(
                verdict=verdict,
                evidence=evidence,
                session=self.session,
                shopper=self.shopper,
                user_id=self.user_id,
                home=self.home,
                home_since_s=self.home_since_s,
                answered_by=tuple(dict.fromkeys((*self._unknown_at, replica))),
                acknowledged_version=self.acknowledged_version,
                seen_version=None,
                idle_s=round(self._now_s - self._seen_s, 6),
            ),
        )


def _evidence(deviations: list[Deviation], verdict: Verdict) -> str:
    return "; ".join(deviation.evidence for deviation in deviations if deviation.verdict is verdict)
