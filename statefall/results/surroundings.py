"""Whether the surroundings of a cell were fit to compare it with what closed forms expect.

A machine that is too busy makes requests run out of time, sends users to whichever replica is left, and
so spoils what a prediction rests on. None of this is the service's doing.
"""

from __future__ import annotations

from statistics import NormalDist, fmean
from typing import Final

from statefall.records.terms import Balancer
from statefall.records.verdicts import LoadResult, RequestCounts, RequestFailure
from statefall.results.homes import homes_are_known
from statefall.results.model import BEFORE_FAULT
from statefall.results.run_head import CellPlan
from statefall.results.timeline import CellTimeline

TIMEOUTS_SHARE: Final = 0.005
TIMEOUTS_LEAST: Final = 3
"""Before the fault, so many requests and this share of them without an answer in time are too many."""
UNEVEN_CHANCE: Final = 0.001
"""Homes are uneven when homes drawn at random would come out so, or worse, with less than this."""
SESSIONS_EACH: Final = 5
"""With fewer sessions for each replica nothing is said of their homes."""
PRESSURE: Final = 0.8
"""Share of the time in which a process waited for a processor, from which on the machine is too busy."""


def unfit(plan: CellPlan, timeline: CellTimeline, load: LoadResult | None) -> list[str]:
    """What was seen to go wrong before anything was done to the service, each with its figure."""
    return [*(_timeouts(load) if load else ()), *_homes(plan, timeline)]


def busy(timeline: CellTimeline) -> list[str]:
    """Whether the load's machine was too busy, with the figure: that alone spoils nothing that came true."""
    known = [tick.cpu_pressure for tick in timeline.ticks if tick.cpu_pressure is not None]
    share = fmean(known) if known else 0.0
    if share < PRESSURE:
        return []
    return [
        f"some process of the load's machine waited for a processor in {share:.0%} of the time "
        f"(from {PRESSURE:.0%} on the machine is too busy)"
    ]


def _timeouts(load: LoadResult) -> list[str]:
    before = RequestCounts.joined(c for phase, c in load.requests_by_phase.items() if phase in BEFORE_FAULT)
    late = before.failed_by.get(RequestFailure.TIMEOUT, 0)
    if late < TIMEOUTS_LEAST or late < TIMEOUTS_SHARE * before.scheduled:
        return []
    return [f"{late:,} of {before.scheduled:,} requests before the fault had no answer in time"]


def _homes(plan: CellPlan, timeline: CellTimeline) -> list[str]:
    """Only behind sticky cookies: there new users are dealt out over all replicas, and stay."""
    if plan.balancer is not Balancer.STICKY or plan.replicas < 2 or not homes_are_known(timeline):
        return []
    homes = sorted(timeline.marks[0].by_boot.values(), reverse=True)
    homes += [0] * (plan.replicas - len(homes))
    even = sum(homes) / len(homes)
    if even < SESSIONS_EACH or len(homes) != plan.replicas:
        return []
    if sum((home - even) ** 2 for home in homes) / even <= _chi_square(plan.replicas - 1, UNEVEN_CHANCE):
        return []
    told = " / ".join(map(str, homes))
    return [f"the sessions' homes were uneven at the fault: {told} where {even:.0f} each were expected"]


def _chi_square(degrees: int, chance: float) -> float:
    """What is exceeded with this chance (Wilson and Hilferty 1931, within 3% from 2 degrees on)."""
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + NormalDist().inv_cdf(1 - chance) * spread**0.5) ** 3)
