"""When the users were served again after a fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from statefall.records.events import Tick
from statefall.results.model import FaultOutcome
from statefall.results.timeline import CellTimeline, FaultLife

QUIET_S: Final = 3.0
"""So long no request may fail for the service to count as recovered."""


def recovery_s(fault: FaultLife, timeline: CellTimeline) -> float | None:
    """From the act until all replicas were ready and no request failed in the 3 s that followed.

    The load reports failures by intervals, so the moment is known to the width of one of them and
    is taken late: the end of the last interval with a failure. None when that was never seen.
    """
    if fault.act_s is None or fault.recovered_s is None:
        return None
    calm_from = fault.recovered_s
    for tick in timeline.ticks:
        begins_s, ends_s = tick.at_s - tick.interval_s, tick.at_s
        if tick.failed and ends_s > calm_from:
            if begins_s >= calm_from + QUIET_S:
                break
            calm_from = ends_s
    seen_until = timeline.ticks[-1].at_s if timeline.ticks else timeline.zero_s
    if seen_until < calm_from + QUIET_S:
        return None
    return round(calm_from - fault.act_s, 3)


def outcomes(timeline: CellTimeline) -> tuple[FaultOutcome, ...]:
    """The faults of the cell, on the clock of its load."""
    return tuple(_outcome(fault, timeline) for fault in timeline.faults)


def _outcome(fault: FaultLife, timeline: CellTimeline) -> FaultOutcome:
    def since_zero(at_s: float | None) -> float | None:
        return None if at_s is None else round(at_s - timeline.zero_s, 3)

    return FaultOutcome(
        fault=fault.fault,
        kind=fault.kind,
        victims=fault.victims,
        act_s=since_zero(fault.act_s),
        observed_s=since_zero(fault.observed_s),
        recovered_s=since_zero(fault.recovered_s),
        recovery_s=recovery_s(fault, timeline),
        effect=fault.failed or fault.effect,
        capacity_back_s=_after(fault, fault.recovered_s),
        last_failure_s=_after(fault, _last_failure_s(fault, timeline)),
        sessions_back_s=_after(fault, _sessions_back_s(fault, timeline)),
    )


def _after(fault: FaultLife, at_s: float | None) -> float | None:
    return None if fault.act_s is None or at_s is None else round(at_s - fault.act_s, 3)


def _ticks_of(fault: FaultLife, timeline: CellTimeline) -> list[Tick]:
    """From the act until the next fault's."""
    acts_s = [f.act_s for f in timeline.faults if f.act_s is not None]
    act_s = fault.act_s if fault.act_s is not None else float("inf")
    next_s = min((other for other in acts_s if other > act_s), default=float("inf"))
    return [tick for tick in timeline.ticks if tick.at_s > act_s and tick.at_s - tick.interval_s < next_s]


def _last_failure_s(fault: FaultLife, timeline: CellTimeline) -> float | None:
    return max((tick.at_s for tick in _ticks_of(fault, timeline) if tick.failed), default=None)


def _sessions_back_s(fault: FaultLife, timeline: CellTimeline) -> float | None:
    """A tick in which the fault fell may have been counted just before its effect: it decides nothing."""
    act_s = fault.act_s if fault.act_s is not None else float("inf")
    alive = [mark.live_sessions for mark in timeline.marks if mark.at_s <= act_s]
    if not alive:
        return None
    whole = [tick for tick in _ticks_of(fault, timeline) if tick.at_s - tick.interval_s >= act_s]
    low = [tick.at_s for tick in whole if tick.live_sessions < alive[-1]]
    return next((tick.at_s for tick in whole if not low or tick.at_s > low[-1]), None)


def worst(found: Sequence[float | None]) -> float | None:
    """The longest of the cell's faults; None without a fault or when one was not seen to recover."""
    known = [value for value in found if value is not None]
    return max(known) if known and len(known) == len(found) else None
