"""The gates of a cell: rules that the experiment set, each with what was measured.

A session without a decision (`indeterminate`) may be lost or kept: a gate that would pass one way
and fail the other is not decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from statefall.records.causes import Cause
from statefall.records.verdicts import Answers, RealtimeCounts, Verdict
from statefall.results.model import (
    GateName,
    GateResult,
    Latency,
    PhaseSessions,
    Prediction,
    Reconciliation,
    SessionCounts,
    UsersBefore,
    WrongState,
)
from statefall.results.reconciliation import VICTIM_HELD
from statefall.results.run_head import GateRule
from statefall.results.timeline import CellTimeline
from statefall.results.windows import judge_window

_AS_TOLD: Final = (Verdict.ROLLED_BACK, Verdict.DUPLICATED, Verdict.FOREIGN, Verdict.MISROUTED)


@dataclass(frozen=True, slots=True)
class Observations:
    """What the gates look at."""

    sessions: SessionCounts
    by_phase: dict[str, PhaseSessions]
    users_before: UsersBefore
    undecided: int
    """Sessions of the whole cell without a decision."""
    predicted: Prediction
    books: tuple[Reconciliation, ...]
    answers: Answers
    """From the fault on."""
    realtime: RealtimeCounts
    wrong_state: WrongState
    from_homes: Prediction = field(default_factory=Prediction)
    timeline: CellTimeline | None = None
    latency_ms: Mapping[str, Latency] = field(default_factory=dict)
    """By phase; with the timeline, what windows are measured by."""


def judge_gate(rule: GateRule, found: Observations) -> GateResult:
    """The rule, met or not."""
    match rule.name:
        case GateName.LIVE_AT_FAULT_AT_LEAST:
            live, wanted = found.sessions.at_fault, rule.limit or 0.0
            return _gate(rule, live >= wanted, live, "sessions alive at the fault")
        case GateName.LOST_AT_MOST:
            return _lost_at_most(rule, found)
        case GateName.LOST_WITHIN_PREDICTION:
            return _within(rule, found, found.predicted, "there is no closed form for this combination")
        case GateName.LOST_WITHIN_HOMES:
            return _within(rule, found, found.from_homes, "the homes at the mark decide nothing here")
        case GateName.LOST_BEFORE_FAULT_AT_LEAST_SHARE:
            return _lost_before(rule, found)
        case GateName.VICTIM_HELD_EQUALS_LOST:
            return _victim_held(rule, found)
        case GateName.NO_UNEXPLAINED_LOSS:
            unexplained = sum(p.causes.get(Cause.UNEXPLAINED, 0) for p in found.by_phase.values())
            return _gate(rule, unexplained == 0, unexplained, "lost sessions without a cause on record")
        case GateName.NO_WRONG_STATE:
            return _no_wrong_state(rule, found.wrong_state)
        case GateName.DEGRADED_AT_LEAST:
            degraded = found.answers.degraded
            return _gate(rule, degraded >= (rule.limit or 0.0), degraded, "degraded answers since the fault")
        case GateName.ANSWERED_WITHIN_S:
            slowest = found.answers.slowest_s
            return _gate(
                rule, slowest <= (rule.limit or 0.0), slowest, "the longest wait since the fault, in s"
            )
        case GateName.MESSAGES_LOST_AT_MOST | GateName.NO_WRONG_MESSAGE if (
            not found.realtime.connections_opened
        ):
            return _without(rule, "no shopper had a WebSocket")
        case GateName.MESSAGES_LOST_AT_MOST:
            lost = found.realtime.lost
            return _gate(
                rule, lost <= (rule.limit or 0.0), lost, "messages that an open connection never got"
            )
        case GateName.NO_WRONG_MESSAGE:
            wrong = found.realtime.duplicated + found.realtime.forgotten
            return _gate(rule, wrong == 0, wrong, "messages delivered twice, and chats forgotten")
        case GateName.FIGURE:
            assert found.timeline is not None
            return judge_window(rule, found.timeline, found.latency_ms)
        case GateName.BOOKS_BALANCE:
            off = [each.name for each in found.books if each.holds is False]
            note = (
                f"reconciliations that do not hold: {', '.join(off)}"
                if off
                else "reconciliations that do not hold"
            )
            return _gate(rule, not off, len(off), note)


def _gate(rule: GateRule, passed: bool | None, measured: float | None, note: str) -> GateResult:
    value = None if measured is None else float(measured)
    return GateResult(rule.name, passed, applies=True, measured=value, limit=rule.limit, note=note)


def _without(rule: GateRule, note: str) -> GateResult:
    return GateResult(rule.name, None, applies=False, measured=None, limit=rule.limit, note=note)


def _no_wrong_state(rule: GateRule, found: WrongState) -> GateResult:
    """Sessions, not findings: one session can be rolled back and foreign."""
    forbidden = [verdict for verdict in _AS_TOLD if verdict not in found.allowed]
    names = {verdict: verdict.value.replace("_", " ") for verdict in forbidden}
    *others, last = names.values() if names else ("with wrong state, all of it allowed",)
    note = f"sessions {', '.join(others)} or {last}" if others else f"sessions {last}"
    counts = [f"{found.by_verdict[v]} {name}" for v, name in names.items() if v in found.by_verdict]
    note += f": {', '.join(counts)}" if counts else ""
    return _gate(rule, found.forbidden == 0, found.forbidden, note)


def _lost_at_most(rule: GateRule, found: Observations) -> GateResult:
    lost, limit = sum(p.lost for p in found.by_phase.values()), rule.limit or 0.0
    if lost <= limit < lost + found.undecided:
        return _gate(rule, None, lost, f"{found.undecided} more sessions are undecided")
    return _gate(rule, lost <= limit, lost, "sessions lost in the whole cell")


def _within(rule: GateRule, found: Observations, predicted: Prediction, without: str) -> GateResult:
    low, high = predicted.low, predicted.high
    if low is None or high is None:
        return _without(rule, without)
    lost = found.sessions.lost
    most = lost + found.sessions.indeterminate
    note = f"lost of {found.sessions.at_fault} alive at the fault, predicted {low} to {high}"
    if low <= lost and most <= high:
        return _gate(rule, True, lost, note)
    if lost > high or most < low:
        return _gate(rule, False, lost, note)
    return _gate(rule, None, lost, f"{note}; {most - lost} more are undecided")


def _lost_before(rule: GateRule, found: Observations) -> GateResult:
    users = found.users_before
    if not users.served:
        return _gate(rule, None, None, "nobody logged in before the fault")
    share = round(users.lost_a_session / users.served, 4)
    note = f"{users.lost_a_session} of {users.served} users lost a session before the fault"
    return _gate(rule, share >= (rule.limit or 0.0), share, note)


def _victim_held(rule: GateRule, found: Observations) -> GateResult:
    held = next((each for each in found.books if each.name == VICTIM_HELD), None)
    if held is None or held.holds is None:
        note = "no victim's own count can be compared in this cell"
        return _without(rule, note if held is None else f"{note}: {held.note}")
    if not held.holds and held.right <= held.left <= held.right + found.sessions.indeterminate:
        return _gate(rule, None, held.right, f"the victims held {held.left}; some sessions are undecided")
    return _gate(rule, held.holds, held.right, f"sessions lost; the victims' own metrics counted {held.left}")
