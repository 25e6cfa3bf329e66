"""What is compared of a cell: shares that are counted, and figures that are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from statefall.records.terms import Balancer
from statefall.results.compare.sides import COMPARED_PHASE, Exactness
from statefall.results.compare.statistics import Share
from statefall.results.model import Cell, Latency

REQUESTS_IN_A_CLUMP: Final = 10.0
"""Requests fail together while a replica is away; see decision 58 for how much they were seen to clump."""


@dataclass(frozen=True, slots=True)
class Counted:
    """So many of so many; more of it is worse."""

    key: str
    title: str
    of: Callable[[Cell], Share]
    effect: float = 1.0
    """The least design effect: how many trials tell as much as one that stands on its own."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure above 0, compared by its logarithm."""

    key: str
    title: str
    unit: str
    of: Callable[[Cell], float | None]
    noise: float | None
    """Standard deviation of its logarithm between two runs of one cell, where fewer than `REPEATS` repeats
    tell; null: unknown then. From the sixty cells of the record `designs`, on 2 shared cores."""
    within: Callable[[Exactness], float | None] = lambda _: None
    more_is_worse: bool = True


def _lost(cell: Cell) -> Share:
    """Behind a balancer by address all sessions of the load share a replica: a cell is one trial."""
    counts = cell.sessions
    if cell.balancer is Balancer.CLIENT_IP and counts.at_fault:
        return Share(round(counts.lost / counts.at_fault), 1)
    return Share(counts.lost, counts.at_fault)


def _wrong(cell: Cell) -> Share:
    phases = cell.sessions_by_phase.values()
    wrong = sum(phase.foreign + phase.rolled_back + phase.duplicated for phase in phases)
    started = sum(phase.started for phase in phases)
    return Share(min(wrong, started), started)


def _baseline(cell: Cell) -> Latency | None:
    return cell.latency_ms.get(COMPARED_PHASE)


def _p50(cell: Cell) -> float | None:
    found = _baseline(cell)
    return found.p50 if found else None


def _p99(cell: Cell) -> float | None:
    found = _baseline(cell)
    return found.p99 if found else None


COUNTED: Final = (
    Counted("lost", "sessions lost at the fault", _lost),
    Counted(
        "lost_before",
        "users who lost a session before it",
        lambda cell: Share(cell.users_before_fault.lost_a_session, cell.users_before_fault.served),
    ),
    Counted("wrong_state", "sessions answered with wrong state", _wrong),
    Counted(
        "failed",
        "failed requests",
        lambda cell: Share(cell.requests.failed, cell.requests.scheduled),
        effect=REQUESTS_IN_A_CLUMP,
    ),
)
MEASURED: Final = (
    Measured("p50", "median service time", "ms", _p50, 0.11, lambda e: e.quantiles.get(50.0)),
    Measured("p99", "99th percentile of it", "ms", _p99, 0.26, lambda e: e.quantiles.get(99.0)),
    Measured(
        "throughput",
        "requests/s",
        "/s",
        lambda cell: cell.throughput_per_s.get(COMPARED_PHASE),
        0.08,
        lambda e: e.throughput,
        more_is_worse=False,
    ),
    Measured("cpu", "processor time a request", "ms", lambda cell: cell.costs.cpu_ms_per_request, 0.13),
    Measured("recovery", "recovery", "s", lambda cell: cell.recovery_s, None),
)
"""Service time, rate and costs of the baseline."""
