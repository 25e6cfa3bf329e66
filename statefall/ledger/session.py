"""What every session's ledger says of it, whatever it was promised, and what a broken promise is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from statefall.records.events import Replica
from statefall.records.verdicts import Verdict

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


class SessionState(Enum):
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
    idle_s: float
    """Since an answer had last shown the session as it should be, or since the login."""


class Session(Protocol):
    """One session and what became of it, as its registry needs it. Times: the caller's monotonic clock."""

    session: str
    """Its name; the registry gives it."""
    shopper: int
    user_id: int
    home: Replica
    """The replica that showed this session's state last; empty where nobody says who answers."""
    home_since_s: float
    home_at_mark: Replica | None
    started_s: float
    ended_s: float | None
    state: SessionState
    told: set[tuple[Replica, str]]
    """Which replicas answered that the session is gone, and how."""

    @property
    def acknowledged_version(self) -> int:
        """How many writes were acknowledged."""

    @property
    def verdict(self) -> Verdict:
        """As of now."""

    def mark(self) -> Replica:
        """Judge anew from this moment on; returns where the session lives now."""
