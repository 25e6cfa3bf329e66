"""All sessions of one load process, from login to loss, and what a mark fixes of them."""

from __future__ import annotations

from collections import Counter, defaultdict

from foundation.verdicts import SessionRecord, Verdict

from .answer import Answer, Outcome, Replica, Write
from .promises import Promises
from .session import Finding, SessionLedger, Standing


class Book:
    """The sessions of many shoppers; a shopper has one live session at a time."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._sessions: list[SessionLedger] = []
        self._live: dict[str, SessionLedger] = {}
        self._former: dict[int, SessionLedger] = {}
        self._count: Counter[int] = Counter()
        self._marked = False
        self.lost_so_far = 0
        """Sessions that were lost, of all that ever were."""

    @property
    def live_sessions(self) -> int:
        """Sessions that their shoppers still use."""
        return len(self._live)

    def open(
        self, shopper: int, user_id: int, login: Answer, at_s: float, *, client_held: bool
    ) -> tuple[SessionLedger, tuple[Finding, ...]]:
        """A shopper logged in. `client_held`: the answer handed the state to the client."""
        self._count[shopper] += 1
        promises = Promises(login, client_held=client_held)
        former = self._former.get(shopper)
        if former is not None:
            promises.preferences.inherit(former.promises.open_preferences())
        session = SessionLedger(
            f"{shopper}.{self._count[shopper]}",
            shopper,
            user_id,
            promises,
            home=login.replica,
            at_s=at_s,
            patience=self._patience,
        )
        self._sessions.append(session)
        self._live[session.session] = session
        self._former[shopper] = session
        return session, session.begin(login)

    def observe(
        self, session: SessionLedger, write: Write | None, outcome: Outcome, at_s: float
    ) -> tuple[Finding, ...]:
        """Take in how a request of the session ended."""
        findings = session.observe(write, outcome, at_s)
        if session.standing is Standing.LOST and session.session in self._live:
            del self._live[session.session]
            self.lost_so_far += 1
        return findings

    def mark(self) -> dict[Replica, int]:
        """Count the live sessions by home. The first mark also fixes what will be judged, from now on."""
        if not self._marked:
            self._marked = True
            for session in self._live.values():
                session.mark()
        return Counter(session.home for session in self._live.values())

    def records(self) -> tuple[SessionRecord, ...]:
        """Every session with its verdict as of now."""
        return tuple(_record(session) for session in self._sessions)

    def told_lost(self) -> dict[str, dict[str, int]]:
        """`{"pod/boot": {code: sessions}}`: distinct sessions that a replica answered as gone."""
        told: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for session in self._sessions:
            for replica, code in session.told:
                told[str(replica)][code] += 1
        return {replica: dict(codes) for replica, codes in told.items()}


def _record(session: SessionLedger) -> SessionRecord:
    home = session.home_at_mark or session.home
    verdict = session.verdict
    if session.standing is Standing.LOST and verdict is not Verdict.FOREIGN:
        verdict = Verdict.LOST
    return SessionRecord(
        session=session.session,
        user_id=session.user_id,
        started_monotonic_s=session.started_s,
        ended_monotonic_s=session.ended_s,
        pod=home.pod,
        boot=home.boot,
        live_at_mark=session.home_at_mark is not None,
        verdict=verdict,
        acknowledged_version=session.acknowledged_version,
    )
