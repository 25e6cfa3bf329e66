"""The course of a run: its cells and their phases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from statefall.records.events.base import InCell, Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Recorded):
    """The first event of a run."""

    kind: ClassVar[str] = "run_started"
    run: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Recorded):
    """The last event of a run that was not killed."""

    kind: ClassVar[str] = "run_ended"
    partial: str = ""
    """Why it ended early, in words; empty where it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStarted(InCell):
    """A cell began; the words are those of the plan."""

    kind: ClassVar[str] = "cell_started"
    service: str
    state: str
    balancer: str
    replicas: int
    repeat: int
    variant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEnded(InCell):
    """A cell was taken down."""

    kind: ClassVar[str] = "cell_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(InCell):
    """A phase began: warmup, baseline, fault, recovery or audit."""

    kind: ClassVar[str] = "phase"
    phase: str
