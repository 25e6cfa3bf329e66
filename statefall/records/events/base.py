"""What every event has, and the parts that several kinds share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from statefall.records.clock import Instant


@dataclass(frozen=True, slots=True)
class Replica:
    """Who answered: a pod and the start of its process."""

    pod: str
    boot: str

    def __str__(self) -> str:
        return f"{self.pod}/{self.boot}"


@dataclass(frozen=True, slots=True)
class Home(Replica):
    """The replica that a session or a connection lived on."""

    since_s: float
    """Since this moment of the monotonic clock."""

    def shifted(self, offset_s: float) -> Home:
        """The same on a clock that is so far ahead."""
        return replace(self, since_s=self.since_s + offset_s)


@dataclass(frozen=True, slots=True)
class Victim:
    """A pod that a fault is meant for, or was seen to hit."""

    pod: str
    uid: str
    container_id: str


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """Of the requests that completed in an interval, in milliseconds; null where none did."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Something that happened in a run, on the clock of whoever holds the record."""

    kind: ClassVar[str]
    """Its name in `events.jsonl`."""
    at: Instant

    @property
    def at_s(self) -> float:
        """The moment on the monotonic clock."""
        return self.at.monotonic_s

    def shifted(self, offset_s: float) -> Self:
        """The same event on a clock that is so far ahead; nothing but its moments changes."""
        return replace(self, at=self.at.shifted(offset_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class InCell(Recorded):
    """Something that happened in a cell."""

    cell: str
    """The cell's name, unique in the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopperFinding(InCell):
    """A promise that was broken to a shopper."""

    shopper: int
    user_id: int
    evidence: str
    phase: str
    home: Home

    def shifted(self, offset_s: float) -> Self:
        """As `Recorded.shifted`; the life of the home lies on the same clock."""
        return replace(self, at=self.at.shifted(offset_s), home=self.home.shifted(offset_s))
