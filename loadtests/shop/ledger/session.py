"""One session held to its promises: every answer is compared with all that was acknowledged before."""

from __future__ import annotations

from typing import Final

from statefall.ledger.deviation import Deviation
from statefall.ledger.session import SEVERITY, Finding, SessionState
from statefall.records.verdicts import Verdict

from ..contract import ErrorCode, SessionStatus
from .answer import Answer, NoResponse, Replica, RequestOutcome, Write
from .promises import Promises

EXPIRED: Final = "expired"
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
_NOT_KNOWN: Final = frozenset({SessionStatus.NEW, SessionStatus.LOST, SessionStatus.EXPIRED})


class SessionLedger:
    """What was promised to one session and what became of it.

    Times are seconds of the caller's monotonic clock. `max_reloads` is how many reloads may still find
    a session that a replica did not know.
    """

    __slots__ = (
        "_now_s",
        "_promises",
        "_refused",
        "_reported",
        "_seen_s",
        "_unknown_at",
        "ended_s",
        "home",
        "home_at_mark",
        "home_since_s",
        "max_reloads",
        "session",
        "shopper",
        "started_s",
        "state",
        "told",
        "user_id",
        "worst",
    )  # fmt: skip

    def __init__(
        self, shopper: int, user_id: int, promises: Promises, *, home: Replica, at_s: float, max_reloads: int
    ) -> None:
        self.shopper, self.user_id, self.max_reloads = shopper, user_id, max_reloads
        self.session = ""
        self.started_s = at_s
        self.ended_s: float | None = None
        self.home, self.home_since_s = home, at_s
        self.home_at_mark: Replica | None = None
        self.state = SessionState.LIVE
        self.worst = Verdict.KEPT
        """The worst that was found since the mark, or since the login."""
        self.told: set[tuple[Replica, str]] = set()
        """Which replicas answered that the session is gone, and with which code."""
        self._promises = promises
        self._reported: set[Verdict] = set()
        self._seen_s = self._now_s = at_s
        self._unknown_at: list[Replica] = []
        self._refused = False
        """All answers since the session became suspect were 403."""

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
        if self.worst is Verdict.KEPT and (
            self.state is SessionState.SUSPECT or not self._promises.decided()
        ):
            return Verdict.INDETERMINATE
        return self.worst

    def begin(self, login: Answer) -> tuple[Finding, ...]:
        """Check the answer to the login itself: it must be about this user."""
        if login.user_id is None or login.user_id == self.user_id:
            deviations = self._promises.facts.check(login)
            verdicts = dict.fromkeys(deviation.verdict for deviation in deviations)
            return tuple(f for v in verdicts for f in self._report(v, _evidence(deviations, v), login))
        return self._report(Verdict.FOREIGN, f"the login was answered with user {login.user_id}", login)

    def mark(self) -> Replica:
        """Judge anew from this moment on; returns where the session lives now."""
        self.home_at_mark = self.home
        self.worst = Verdict.KEPT
        self._promises.forget_sights()
        return self.home

    def awaits_audit(self) -> None:
        """What was seen until now says nothing of the end: until all is seen again, it is undecided."""
        self._promises.forget_sights()

    def observe(self, write: Write | None, outcome: RequestOutcome, at_s: float) -> tuple[Finding, ...]:
        """Take in how a request of this session ended. A session that is lost must not be used again."""
        self._now_s = at_s
        if isinstance(outcome, NoResponse):
            if outcome.sent:
                self._leave_open(write)
            return ()
        answer = outcome
        gone = _says_gone(answer)
        if answer.status >= 500 or (gone is None and not answer.readable):
            self._leave_open(write)
            return ()
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
            return self._lose(_evidence(deviations, Verdict.LOST), answer, at_s)
        findings: tuple[Finding, ...] = ()
        if Verdict.FOREIGN in verdicts:
            verdicts = {Verdict.FOREIGN}
        for verdict in sorted(verdicts, key=SEVERITY.index, reverse=True):
            findings += self._report(verdict, _evidence(deviations, verdict), answer, due)
        if deviations:
            self._promises.adopt(answer)
        elif self.state is SessionState.SUSPECT and not self._was_but_refused(answer):
            places = ", ".join(replica.pod for replica in self._unknown_at)
            findings = self._report(
                Verdict.MISROUTED, f"unknown at {places}, then intact at {answer.replica.pod}", answer
            )
        if not deviations:
            self._seen_s = at_s
        self.state = SessionState.LIVE
        self._unknown_at.clear()
        if answer.replica != self.home:
            self.home, self.home_since_s = answer.replica, at_s
        return findings

    def _was_but_refused(self, answer: Answer) -> bool:
        """Only 403 came, and of this very replica: it knew the session, and did not do what was asked."""
        return self._refused and set(self._unknown_at) == {answer.replica}

    def _unknown(self, code: str, answer: Answer, at_s: float) -> tuple[Finding, ...]:
        if _is_told(answer):
            self.told.add((answer.replica, code))
        self._unknown_at.append(answer.replica)
        self._refused = answer.status == FORBIDDEN and (self._refused or len(self._unknown_at) == 1)
        if answer.session is SessionStatus.NEW:
            return self._lose("silently new", answer, at_s)
        if answer.session is SessionStatus.EXPIRED or code == ErrorCode.SESSION_EXPIRED:
            return self._lose(EXPIRED, answer, at_s)
        if len(self._unknown_at) <= self.max_reloads:
            self.state = SessionState.SUSPECT
            return ()
        times = f", {len(self._unknown_at)} times" if self.max_reloads else ""
        return self._lose(f"answered {answer.status} {code}{times}", answer, at_s)

    def _lose(self, evidence: str, answer: Answer, at_s: float) -> tuple[Finding, ...]:
        self.state = SessionState.LOST
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
                idle_s=round(self._now_s - self._seen_s, 6),
            ),
        )


def _says_gone(answer: Answer) -> str | None:
    """The code under which the answer says that it does not know the session, or None."""
    if answer.status == UNAUTHORIZED:
        return answer.error or "unauthorized"
    if answer.status == FORBIDDEN:
        return answer.error or "forbidden"
    if answer.to_login:
        return answer.error or "login page"
    if answer.session in _NOT_KNOWN and answer.readable:
        return answer.error or answer.session.value
    return None


def _is_told(answer: Answer) -> bool:
    """Whether the service says so itself, and counts it: 403 and a login page are signs of it only."""
    return answer.status == UNAUTHORIZED or answer.session in _NOT_KNOWN


def _evidence(deviations: list[Deviation], verdict: Verdict) -> str:
    return "; ".join(deviation.evidence for deviation in deviations if deviation.verdict is verdict)
