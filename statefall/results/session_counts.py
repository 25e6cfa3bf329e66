"""Sessions in numbers: those alive at the fault, those of each phase, and those that met wrong state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from statefall.records.causes import Cause
from statefall.records.events import SessionLost
from statefall.records.verdicts import WRONG_STATE, Verdict


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """`at_fault` is the sum of the others: sessions alive at the fault, by verdict."""

    at_fault: int = 0
    kept: int = 0
    lost: int = 0
    rolled_back: int = 0
    duplicated: int = 0
    foreign: int = 0
    misrouted: int = 0
    indeterminate: int = 0


@dataclass(frozen=True, slots=True)
class PhaseSessions:
    """What the ledger found in one phase, of all sessions: each finding counts in the phase it was made."""

    started: int = 0
    lost: int = 0
    rolled_back: int = 0
    duplicated: int = 0
    foreign: int = 0
    misrouted: int = 0
    causes: dict[Cause, int] = field(default_factory=dict)
    """Of the lost ones; sums to `lost`."""


@dataclass(frozen=True, slots=True)
class UsersBefore:
    """The users of the phases before the fault. One who loses a session logs in again, and stays one user."""

    served: int = 0
    """Logged in at least once."""
    lost_a_session: int = 0


@dataclass(frozen=True, slots=True)
class WrongState:
    """Sessions of the whole cell that met wrong state; one can stand under several verdicts."""

    foreign: int = 0
    rolled_back: int = 0
    duplicated: int = 0
    misrouted: int = 0
    forbidden: int = 0
    """Sessions, each once, with a verdict that the experiment does not allow."""
    allowed: tuple[Verdict, ...] = (Verdict.MISROUTED,)
    """What the experiment allows by name."""

    @classmethod
    def of(cls, losses: Iterable[SessionLost], allowed: tuple[Verdict, ...]) -> WrongState:
        """From the findings of a cell."""
        sessions: dict[Verdict, set[str]] = {verdict: set() for verdict in WRONG_STATE}
        for loss in losses:
            if loss.verdict in sessions:
                sessions[loss.verdict].add(loss.session)
        forbidden = set[str]().union(*(found for v, found in sessions.items() if v not in allowed))
        return cls(
            foreign=len(sessions[Verdict.FOREIGN]),
            rolled_back=len(sessions[Verdict.ROLLED_BACK]),
            duplicated=len(sessions[Verdict.DUPLICATED]),
            misrouted=len(sessions[Verdict.MISROUTED]),
            forbidden=len(forbidden),
            allowed=allowed,
        )

    @property
    def by_verdict(self) -> Mapping[Verdict, int]:
        """The worst first; those that were not found are left out."""
        counts = (self.foreign, self.rolled_back, self.duplicated, self.misrouted)
        return {verdict: count for verdict, count in zip(WRONG_STATE, counts, strict=True) if count}

    @property
    def told(self) -> Mapping[Verdict, int]:
        """What readers must be told first: all but sessions that were allowed to be misrouted."""
        quiet = {Verdict.MISROUTED} & set(self.allowed)
        return {verdict: count for verdict, count in self.by_verdict.items() if verdict not in quiet}
