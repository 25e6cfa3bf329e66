"""All sessions of one load process, from login to loss, and what a mark fixes of them."""

from __future__ import annotations

from collections import Counter, defaultdict

from statefall.records.events import Replica
from statefall.records.verdicts import SessionRecord, Verdict

from .kinds.known_writes import KnownWrites
from .session import Session, SessionState


class SessionRegistry:
    """The sessions of many shoppers; a shopper has one live session at a time."""

    def __init__(self) -> None:
        self._known = KnownWrites()
        self._sessions: list[Session] = []
        self._live: dict[str, Session] = {}
        self._count: Counter[int] = Counter()
        self._marked = False
        self.lost_so_far = 0
        """Sessions that were lost, of all that ever were."""

    @property
    def live_sessions(self) -> int:
        """Sessions that their shoppers still use."""
        return len(self._live)

    @property
    def marked(self) -> bool:
        """Whether it is fixed what will be judged."""
        return self._marked

    @property
    def known_writes(self) -> KnownWrites:
        """Who of all shoppers wrote what."""
        return self._known

    def admit(self, session: Session) -> None:
        """A shopper logged in: the session gets its name."""
        session.session = self._next_name(session.shopper)
        self._sessions.append(session)
        self._live[session.session] = session

    def settle(self, session: Session) -> None:
        """A session that is lost is live no more."""
        if session.state is SessionState.LOST and session.session in self._live:
            del self._live[session.session]
            self.lost_so_far += 1

    def _next_name(self, shopper: int) -> str:
        self._count[shopper] += 1
        return f"{shopper}.{self._count[shopper]}"

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


def _record(session: Session) -> SessionRecord:
    home = session.home_at_mark or session.home
    verdict = session.verdict
    if session.state is SessionState.LOST and verdict is not Verdict.FOREIGN:
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
