"""The journal of a fault: intent, act, observed effect and recovery, or its failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from statefall.records.events.base import InCell, Victim


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEvent(InCell):
    """An entry in the journal of a fault."""

    fault: str
    """The fault's id, unique in the cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultIntended(FaultEvent):
    """What will be done, and to whom as far as that is chosen."""

    kind: ClassVar[str] = "fault_intent"
    fault_kind: str
    planned_at_s: float
    """Seconds from the begin of the fault phase."""
    count: int = 0
    """How many pods it is meant for; 0 where the victims say it."""
    victims: tuple[Victim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultActed(FaultEvent):
    """The moment just before the call."""

    kind: ClassVar[str] = "fault_act"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultObserved(FaultEvent):
    """What was seen to happen because of it."""

    kind: ClassVar[str] = "fault_observed"
    effect: str
    victims: tuple[Victim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRecovered(FaultEvent):
    """Every replica that should be there is ready again."""

    kind: ClassVar[str] = "fault_recovered"
    ready_replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFailed(FaultEvent):
    """The act failed or no effect was seen."""

    kind: ClassVar[str] = "fault_failed"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsMarked(FaultEvent):
    """The ledger just before a fault; `fault` is `none` in a cell without one."""

    kind: ClassVar[str] = "mark"
    live_sessions: int
    by_boot: dict[str, int]
    """`pod/boot` -> sessions."""
