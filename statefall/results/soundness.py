"""Whether the record of a cell supports a verdict, and what keeps it from one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from statefall.records.verdicts import LoadResult
from statefall.results.model import GateName, GateResult, Outcome, Reconciliation
from statefall.results.run_head import CellPlan
from statefall.results.timeline import CellTimeline


def invalid_because(
    plan: CellPlan,
    timeline: CellTimeline,
    load: LoadResult | None,
    gates: Sequence[GateResult],
    books: Sequence[Reconciliation],
) -> tuple[str, ...]:
    """Why the record says nothing, in words; empty where it is sound."""
    return (
        *(_unsound_load(load) if load else (_without_counts(timeline),)),
        *_unsound_faults(plan, timeline),
        *(f"the reconciliation `{each.name}` does not balance: {each.left} against {each.right}, {each.note}"
          for each in books if each.holds is False),
        *(f"{gate.measured:g} live sessions at the fault, at least {gate.limit:g} wanted"
          for gate in gates if gate.name is GateName.LIVE_AT_FAULT_AT_LEAST and not gate.passed),
    )  # fmt: skip


def inconclusive_because(
    plan: CellPlan,
    gates: Sequence[GateResult],
    books: Sequence[Reconciliation],
    *,
    undecided: int,
    sessions: int,
    degraded: int = 0,
) -> tuple[str, ...]:
    """What cannot be decided, in words: sessions, gates that were asked for, counts that are not there.

    `undecided` of `sessions`, those of the whole cell. `degraded`: answers that said to be made without the
    store while nothing had been done to it, so that nobody saw what they hid. Older records ask for less:
    see `CellPlan.strict`.
    """
    found = []
    if undecided:
        found.append(
            f"{undecided} of {sessions} sessions are undecided: no answer since the fault (or their login) "
            "shows what became of them"
        )
    if degraded and plan.strict:
        found.append(f"{degraded} answers said to be degraded, and nothing had been done to the store")
    found += [
        f"the gate `{gate.name.value}` cannot be judged: {gate.note}"
        for gate in gates
        if gate.passed is None and (gate.applies or plan.strict)
    ]
    if plan.strict and plan.own_metrics:
        missing = [each for each in books if each.holds is None]
        found += [f"the reconciliation `{each.name}` cannot be judged: {each.note}" for each in missing]
    return tuple(found)


CERTAIN: Final = frozenset(
    {
        GateName.LOST_AT_MOST,
        GateName.NO_WRONG_STATE,
        GateName.NO_WRONG_MESSAGE,
        GateName.MESSAGES_LOST_AT_MOST,
        GateName.BOOKS_BALANCE,
    }
)
"""What was seen to happen, happened, on whatever machine; what a closed form or a limit in time expects is
expected of fit surroundings alone."""


def verdict(
    invalid: Sequence[str], gates: Sequence[GateResult], unclear: Sequence[str], doubts: Sequence[str]
) -> Outcome:
    """The worst that is certain: an invalid record, a gate that failed, something undecided.

    `unclear`: what was asked for and cannot be judged. `doubts`: unfit surroundings, which excuse a gate
    that expects something of them.
    """
    if invalid:
        return Outcome.INVALID
    failed = {gate.name for gate in gates if gate.passed is False}
    if failed & CERTAIN or (failed and not doubts):
        return Outcome.FAILED
    return Outcome.INCONCLUSIVE if unclear or doubts else Outcome.PASSED


def _unsound_faults(plan: CellPlan, timeline: CellTimeline) -> list[str]:
    reasons = []
    intended = [fault for fault in timeline.faults if fault.kind]
    if len(intended) < len(plan.faults):
        reasons.append(
            f"{len(plan.faults) - len(intended)} of {len(plan.faults)} planned faults were not carried out"
        )
    for fault in timeline.faults:
        if fault.failed:
            reasons.append(f"fault {fault.fault} {fault.kind}: {fault.failed}")
        elif fault.observed_s is None:
            reasons.append(f"fault {fault.fault} {fault.kind}: no effect was observed")
    return reasons


def _without_counts(timeline: CellTimeline) -> str:
    if timeline.load_lost:
        return f"load generator: {timeline.load_lost}"
    return "it ended before its counts were taken"


def _unsound_load(load: LoadResult) -> list[str]:
    return [f"load generator: {fault}" for fault in load.generator_faults]
