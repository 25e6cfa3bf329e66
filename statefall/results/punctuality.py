"""Whether a cell's phases lasted as long as planned, and its faults came when they were due.

They do whatever the service is like; what holds them up is the conductor's surroundings: a machine that
is too busy, an API server that does not answer. A cell that was held up measured something else than was
planned.
"""

from __future__ import annotations

from typing import Final

from statefall.results.run_head import CellPlan
from statefall.results.timeline import CellTimeline, Phase

FAULT_PHASE: Final = "fault"
TOLERANCE_S: Final = 2.0
TOLERATED_SHARE: Final = 0.1
"""A phase may be so much longer or shorter, a fault so much later: this share of the planned length, but at
least TOLERANCE_S."""


def tolerance_s(planned_s: float) -> float:
    """For a phase that should last so long."""
    return max(TOLERANCE_S, TOLERATED_SHARE * planned_s)


def off_schedule(plan: CellPlan, timeline: CellTimeline) -> list[str]:
    """What was held up, each with its figures; nothing for a record that does not say what was planned."""
    return [*_phases(plan, timeline), *_faults(plan, timeline)]


def _phases(plan: CellPlan, timeline: CellTimeline) -> list[str]:
    reasons = []
    for phase in timeline.phases[:-1]:  # the end of the last one is the cell's
        planned_s = plan.phases_s.get(phase.name)
        if planned_s is None:
            continue
        lasted_s, allowed_s = _length_s(phase), tolerance_s(planned_s)
        if abs(lasted_s - planned_s) > allowed_s:
            reasons.append(
                f"the phase {phase.name} lasted {lasted_s:.1f} s instead of {planned_s:g} s "
                f"(at most {allowed_s:g} s off is tolerated)"
            )
    return reasons


def _faults(plan: CellPlan, timeline: CellTimeline) -> list[str]:
    begin = next((p.span.start_s for p in timeline.phases if p.name == FAULT_PHASE), None)
    planned_s = plan.phases_s.get(FAULT_PHASE)
    if begin is None or planned_s is None:
        return []
    allowed_s = tolerance_s(planned_s)
    reasons = []
    for fault in timeline.faults:
        if fault.act_s is None or fault.planned_at_s is None:
            continue
        late_s = fault.act_s - begin - fault.planned_at_s
        if late_s > allowed_s:
            reasons.append(
                f"the fault {fault.fault} {fault.kind} came {late_s:.1f} s late, in the phase "
                f"{timeline.phase_at(fault.act_s)} (at most {allowed_s:g} s are tolerated)"
            )
    return reasons


def _length_s(phase: Phase) -> float:
    return (phase.span.end_s or 0.0) - (phase.span.start_s or 0.0)
