"""The gates: met, not met, undecided, and not applicable are four different things."""

from typing import Any

import pytest

from statefall.records.causes import Cause
from statefall.records.verdicts import WRONG_STATE, Answers, RealtimeCounts, Verdict
from statefall.results.gates import Observations, judge_gate
from statefall.results.model import (
    GateName,
    GateResult,
    PhaseSessions,
    Prediction,
    Reconciliation,
    SessionCounts,
    UsersBefore,
    WrongState,
)
from statefall.results.run_head import GateRule
from tests.results.stories import Story

G = GateName


def findings(**given: Any) -> Observations:
    usual: dict[str, Any] = {
        "sessions": SessionCounts(at_fault=90, kept=60, lost=30),
        "by_phase": {
            "warmup": PhaseSessions(started=90),
            "fault": PhaseSessions(started=20, lost=30, causes={Cause.POD_KILLED: 30}),
        },
        "users_before": UsersBefore(served=90),
        "undecided": 0,
        "predicted": Prediction(17, 30.0, 46),
        "books": (),
        "answers": Answers(degraded=7, slowest_s=0.9),
        "realtime": RealtimeCounts(connections_opened=9, lost=2, duplicated=1),
        "wrong_state": WrongState(),
    }
    return Observations(**{**usual, **given})


def gate(name: GateName, limit: float | None = None, **given: Any) -> GateResult:
    return judge_gate(GateRule(name, limit), findings(**given))


@pytest.mark.parametrize(("limit", "passed"), [(30, True), (31, True), (29, False), (0, False)])
def test_lost_at_most(limit: float, passed: bool) -> None:
    found = gate(G.LOST_AT_MOST, limit)
    assert (found.passed, found.measured) == (passed, 30)


def test_lost_at_most_counts_losses_of_every_phase() -> None:
    early = {"warmup": PhaseSessions(started=90, lost=1), "fault": PhaseSessions()}
    assert gate(G.LOST_AT_MOST, 0, by_phase=early).passed is False


def test_lost_at_most_is_undecided_when_undecided_sessions_could_break_it() -> None:
    assert gate(G.LOST_AT_MOST, 30, undecided=1).passed is None
    assert gate(G.LOST_AT_MOST, 31, undecided=1).passed is True
    assert gate(G.LOST_AT_MOST, 29, undecided=1).passed is False


@pytest.mark.parametrize(("low", "high", "passed"), [(30, 30, True), (31, 40, False), (0, 29, False)])
def test_lost_within_prediction(low: int, high: int, passed: bool) -> None:
    assert gate(G.LOST_WITHIN_PREDICTION, predicted=Prediction(low, 30.0, high)).passed is passed


@pytest.mark.parametrize(
    ("lost", "undecided", "passed"),
    [
        (17, 0, True),
        (16, 1, None),
        (16, 0, False),
        (46, 1, None),
        (47, 0, False),
        (10, 3, False),
        (0, 90, None),
    ],
)
def test_undecided_sessions_widen_what_was_lost(lost: int, undecided: int, passed: bool | None) -> None:
    sessions = SessionCounts(at_fault=90, lost=lost, indeterminate=undecided, kept=90 - lost - undecided)
    assert gate(G.LOST_WITHIN_PREDICTION, sessions=sessions).passed is passed


def test_without_a_closed_form_the_gate_does_not_apply() -> None:
    found = gate(G.LOST_WITHIN_PREDICTION, predicted=Prediction())
    assert (found.applies, found.passed) == (False, None)


@pytest.mark.parametrize(("limit", "passed"), [(0.9, True), (0.91, False)])
def test_the_share_of_users_who_lost_a_session_before_the_fault(limit: float, passed: bool) -> None:
    users = UsersBefore(served=100, lost_a_session=90)
    found = gate(G.LOST_BEFORE_FAULT_AT_LEAST_SHARE, limit, users_before=users)
    assert (found.passed, found.measured) == (passed, 0.9)


def test_without_any_user_the_share_is_undecided() -> None:
    assert gate(G.LOST_BEFORE_FAULT_AT_LEAST_SHARE, 0.9, users_before=UsersBefore()).passed is None


@pytest.mark.parametrize(("limit", "passed"), [(90, True), (91, False)])
def test_live_sessions_at_the_fault(limit: float, passed: bool) -> None:
    assert gate(G.LIVE_AT_FAULT_AT_LEAST, limit).passed is passed


def test_an_unexplained_loss_fails() -> None:
    phases = {"fault": PhaseSessions(lost=2, causes={Cause.UNEXPLAINED: 1, Cause.POD_KILLED: 1})}
    assert gate(G.NO_UNEXPLAINED_LOSS).passed is True
    assert gate(G.NO_UNEXPLAINED_LOSS, by_phase=phases).passed is False


def wrong(*found: tuple[str, Verdict], allowed: tuple[Verdict, ...] = ()) -> WrongState:
    story = Story()
    for session, verdict in found:
        story.loss("a", "a1", 11.0, session=session, verdict=verdict)
    return WrongState.of(story.timeline().losses, allowed)


@pytest.mark.parametrize("verdict", WRONG_STATE)
def test_wrong_state_fails_unless_it_is_allowed_by_name(verdict: Verdict) -> None:
    assert gate(G.NO_WRONG_STATE, wrong_state=wrong()).passed is True
    assert gate(G.NO_WRONG_STATE, wrong_state=wrong(("1.1", verdict))).passed is False
    others = tuple(each for each in WRONG_STATE if each is not verdict)
    assert gate(G.NO_WRONG_STATE, wrong_state=wrong(("1.1", verdict), allowed=others)).passed is False
    assert gate(G.NO_WRONG_STATE, wrong_state=wrong(("1.1", verdict), allowed=(verdict,))).passed is True


def test_wrong_state_is_counted_in_sessions_and_not_in_findings() -> None:
    both = [("1.1", Verdict.FOREIGN), ("1.1", Verdict.ROLLED_BACK), ("2.1", Verdict.ROLLED_BACK)]
    found = gate(G.NO_WRONG_STATE, wrong_state=wrong(*both))
    assert found.measured == 2
    assert found.note == "sessions rolled back, duplicated, foreign or misrouted: 2 rolled back, 1 foreign"


def test_books_that_do_not_hold_are_named() -> None:
    off = Reconciliation("told_lost", False, 1, 2, "")
    found = gate(G.BOOKS_BALANCE, books=(Reconciliation("requests", True, 1, 1, ""), off))
    assert (found.passed, found.measured) == (False, 1)
    assert "told_lost" in found.note


@pytest.mark.parametrize(
    ("held", "lost", "undecided", "passed"),
    [(30, 30, 0, True), (31, 30, 0, False), (31, 30, 1, None), (29, 30, 5, False)],
)
def test_what_the_victims_held(held: int, lost: int, undecided: int, passed: bool | None) -> None:
    sessions = SessionCounts(at_fault=90, lost=lost, indeterminate=undecided)
    book = Reconciliation("victims_held", held == lost, held, lost, "")
    assert gate(G.VICTIM_HELD_EQUALS_LOST, sessions=sessions, books=(book,)).passed is passed


def test_where_the_victims_cannot_be_compared_the_gate_does_not_apply() -> None:
    found = gate(G.VICTIM_HELD_EQUALS_LOST)
    assert (found.applies, found.passed) == (False, None)


@pytest.mark.parametrize(
    ("name", "limit", "passed", "measured"),
    [
        (G.DEGRADED_AT_LEAST, 7, True, 7),
        (G.DEGRADED_AT_LEAST, 8, False, 7),
        (G.ANSWERED_WITHIN_S, 0.9, True, 0.9),
        (G.ANSWERED_WITHIN_S, 0.8, False, 0.9),
    ],
)
def test_answers_since_the_fault(name: GateName, limit: float, passed: bool, measured: float) -> None:
    found = gate(name, limit)
    assert (found.passed, found.measured) == (passed, measured)


def test_messages() -> None:
    assert gate(G.MESSAGES_LOST_AT_MOST, 2).passed is True
    assert gate(G.MESSAGES_LOST_AT_MOST, 1).passed is False
    assert gate(G.NO_WRONG_MESSAGE).passed is False
    assert gate(G.NO_WRONG_MESSAGE, realtime=RealtimeCounts(connections_opened=9)).passed is True
    for name in (G.MESSAGES_LOST_AT_MOST, G.NO_WRONG_MESSAGE):
        assert gate(name, 0, realtime=RealtimeCounts()).applies is False
