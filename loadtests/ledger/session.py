"""One session held to its promises: every answer is compared with all that was acknowledged before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from foundation.verdicts import Verdict
from services.contract import ErrorCode, SessionStatus

from .answer import Answer, Outcome, Replica, Silence, Write
from .deviation import Deviation
from .promises import Promises

SEVERITY: Final = (
    Verdict.KEPT,
    Verdict.INDETERMINATE,
    Verdict.MISROUTED,
    Verdict.DUPLICATED,
    Verdict.ROLLED_BACK,
    Verdict.LOST,
    Verdict.FOREIGN,
)
"""From best to worst: of several verdicts on one session the worst stands."""

EXPIRED: Final = "expired"


class Standing(Enum):
    """What the client knows of its session."""

    LIVE = "live"
    SUSPECT = "suspect"
    """Unknown to the replica that answered last; a reload may still find it."""
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken promise: what, how it was seen, and where the session had lived until then."""

    verdict: Verdict
    evidence: str
    session: str
    shopper: int
    user_id: int
    home: Replica
    home_since_s: float
    answered_by: tuple[Replica, ...]
    acknowledged_version: int
    seen_version: int | None


class SessionLedger:
    """What was promised to one session and what became of it.

    Times are seconds of the caller's monotonic clock. `patience` is how many reloads may still find
    a session that a replica did not know.
    """

    __slots__ = ("_promises", "_reported", "_unknown_at", "ended_s", "home", "home_at_mark",
                 "home_since_s", "patience", "session", "shopper", "standing", "started_s", "told",
                 "user_id", "worst")  # fmt: skip

    def __init__(
        self, session: str, shopper: int, user_id: int, promises: Promises, *, home: Replica, at_s: float,
        patience: int,
    ) -> None:  # fmt: skip
        self.session, self.shopper, self.user_id, self.patience = session, shopper, user_id, patience
        self.started_s = at_s
        self.ended_s: float | None = None
        self.home, self.home_since_s = home, at_s
        self.home_at_mark: Replica | None = None
        self.standing = Standing.LIVE
        self.worst = Verdict.KEPT
        """The worst that was found since the mark, or since the login."""
        self.told: set[tuple[Replica, str]] = set()
        """Which replicas answered that the session is gone, and with which code."""
        self._promises = promises
        self._reported: set[Verdict] = set()
        self._unknown_at: list[Replica] = []

    @property
    def promises(self) -> Promises:
        """What must still be there."""
        return self._promises

    @property
    def acknowledged_version(self) -> int:
        """The lowest version that keeps every promise."""
        return self._promises.version.acknowledged

    @property
    def verdict(self) -> Verdict:
        """As of now."""
        if self.worst is Verdict.KEPT and (self.standing is Standing.SUSPECT or not self._promises.decided()):
            return Verdict.INDETERMINATE
        return self.worst

    def begin(self, login: Answer) -> tuple[Finding, ...]:
        """Check the answer to the login itself: it must be about this user."""
        if login.user_id is None or login.user_id == self.user_id:
            return ()
        return self._report(Verdict.FOREIGN, f"the login was answered with user {login.user_id}", login)

    def mark(self) -> Replica:
        """Judge anew from this moment on; returns where the session lives now."""
        self.home_at_mark = self.home
        self.worst = Verdict.KEPT
        self._promises.forget_sights()
        return self.home

    def observe(self, write: Write | None, outcome: Outcome, at_s: float) -> tuple[Finding, ...]:
        """Take in how a request of this session ended. A session that is lost must not be used again."""
        if isinstance(outcome, Silence):
            if outcome.sent:
                self._leave_open(write)
            return ()
        answer = outcome
        if answer.status >= 500 or not answer.readable:
            self._leave_open(write)
            return ()
        gone = _says_gone(answer)
        if gone is not None:
            return self._unknown(gone, answer, at_s)
        if answer.user_id is not None and answer.user_id != self.user_id:
            self._leave_open(write)
            return self._report(Verdict.FOREIGN, f"answered with the state of user {answer.user_id}", answer)
        if answer.session is SessionStatus.DEGRADED:
            # The service says that it cannot see the session: such an answer promises and shows nothing.
            self._leave_open(write)
            return ()
        if write is not None and answer.status < 400:
            self._promises.acknowledge(write)
        if answer.user_id is None and answer.version is None:
            return ()
        return self._known(answer, at_s)

    def _leave_open(self, write: Write | None) -> None:
        if write is not None:
            self._promises.leave_open(write)

    def _known(self, answer: Answer, at_s: float) -> tuple[Finding, ...]:
        due = self.acknowledged_version
        deviations = self._promises.check(answer)
        verdicts = {deviation.verdict for deviation in deviations}
        if Verdict.LOST in verdicts:
            return self._lose(_words(deviations, Verdict.LOST), answer, at_s)
        findings: tuple[Finding, ...] = ()
        if Verdict.FOREIGN in verdicts:
            verdicts = {Verdict.FOREIGN}
        for verdict in sorted(verdicts, key=SEVERITY.index, reverse=True):
            findings += self._report(verdict, _words(deviations, verdict), answer, due)
        if deviations:
            self._promises.adopt(answer)
        elif self.standing is Standing.SUSPECT:
            places = ", ".join(replica.pod for replica in self._unknown_at)
            findings = self._report(
                Verdict.MISROUTED, f"unknown at {places}, then intact at {answer.replica.pod}", answer
            )
        self.standing = Standing.LIVE
        self._unknown_at.clear()
        if answer.replica != self.home:
            self.home, self.home_since_s = answer.replica, at_s
        return findings

    def _unknown(self, code: str, answer: Answer, at_s: float) -> tuple[Finding, ...]:
        self.told.add((answer.replica, code))
        self._unknown_at.append(answer.replica)
        if answer.session is SessionStatus.NEW:
            return self._lose("silently new", answer, at_s)
        if answer.session is SessionStatus.EXPIRED or code == ErrorCode.SESSION_EXPIRED:
            return self._lose(EXPIRED, answer, at_s)
        if len(self._unknown_at) <= self.patience:
            self.standing = Standing.SUSPECT
            return ()
        times = f", {len(self._unknown_at)} times" if self.patience else ""
        return self._lose(f"answered {answer.status} {code}{times}", answer, at_s)

    def _lose(self, evidence: str, answer: Answer, at_s: float) -> tuple[Finding, ...]:
        self.standing = Standing.LOST
        self.ended_s = at_s
        if not self._unknown_at:
            self._unknown_at.append(answer.replica)
        return self._report(Verdict.LOST, evidence, answer)

    def _report(
        self, verdict: Verdict, evidence: str, answer: Answer, due: int | None = None
    ) -> tuple[Finding, ...]:
        """The verdict counts every time; a finding is made the first time only."""
        self.worst = max(self.worst, verdict, key=SEVERITY.index)
        if verdict in self._reported:
            return ()
        self._reported.add(verdict)
        answered_by = (*self._unknown_at, answer.replica)
        return (
            Finding(
                verdict=verdict,
                evidence=evidence,
                session=self.session,
                shopper=self.shopper,
                user_id=self.user_id,
                home=self.home,
                home_since_s=self.home_since_s,
                answered_by=tuple(dict.fromkeys(answered_by)),
                acknowledged_version=self.acknowledged_version if due is None else due,
                seen_version=answer.version,
            ),
        )


def _says_gone(answer: Answer) -> str | None:
    """The code under which the answer says that it does not know the session, or None."""
    if answer.status == 401:
        return answer.error or "unauthorized"
    if answer.session in (SessionStatus.NEW, SessionStatus.LOST, SessionStatus.EXPIRED):
        return answer.error or answer.session.value
    return None


def _words(deviations: list[Deviation], verdict: Verdict) -> str:
    return "; ".join(deviation.evidence for deviation in deviations if deviation.verdict is verdict)
