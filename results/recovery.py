"""When the users were served again after a fault."""

from __future__ import annotations

from typing import Final

from results.model import FaultOutcome
from results.timeline import CellTimeline, FaultLife

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
    )


def worst(outcomes: tuple[FaultOutcome, ...]) -> float | None:
    """The longest recovery of the cell; None without a fault or when one was not seen to recover."""
    found = [outcome.recovery_s for outcome in outcomes]
    known = [value for value in found if value is not None]
    return max(known) if known and len(known) == len(found) else None
