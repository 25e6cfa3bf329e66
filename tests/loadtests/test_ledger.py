"""The ledger as specification by example: what is a broken promise, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shop.contract import SessionStatus, conversation_digest
from shop.ledger.answer import (
    AddToCart,
    Answer,
    Converse,
    NoResponse,
    RememberAction,
    Replica,
    RequestOutcome,
    SetPreferences,
    Write,
    read_answer,
)
from shop.ledger.session import SessionLedger
from shop.ledger.sessions import ShopSessions
from statefall.ledger.session import Finding, SessionState
from statefall.ledger.session_registry import SessionRegistry
from statefall.records.verdicts import Verdict

HOME = Replica("pod-a", "boot-1")
OTHER = Replica("pod-b", "boot-7")
USER = 17
TIMEOUT = NoResponse(sent=True, reason="no answer in time")
REFUSED = NoResponse(sent=False, reason="connection refused")


def known(**fields: Any) -> Answer:
    """An answer of the session's home that knows it."""
    return replace(Answer(200, HOME, SessionStatus.KNOWN, user_id=USER), **fields)


def unknown(replica: Replica = OTHER, code: str = "session_lost") -> Answer:
    return Answer(401, replica, SessionStatus.LOST, error=code)


class Desk:
    """One shopper's session, driven by hand."""

    def __init__(self, *, max_reloads: int = 1, client_held: bool = False, preferences: Any = None) -> None:
        self.registry = SessionRegistry()
        self.shop = ShopSessions(self.registry, max_reloads)
        self.client_held = client_held
        self.now_s = 100.0
        self.log_in(preferences)

    def log_in(self, preferences: Any = None) -> SessionLedger:
        answer = Answer(200, HOME, SessionStatus.NEW, user_id=USER, version=0, preferences=preferences or {})
        self.session, findings = self.shop.open(3, USER, answer, self.now_s, client_held=self.client_held)
        assert findings == ()
        return self.session

    def see(self, outcome: RequestOutcome, write: Write | None = None) -> tuple[Finding, ...]:
        self.now_s += 1
        return self.shop.observe(self.session, write, outcome, self.now_s)

    def verdicts(self, outcome: RequestOutcome, write: Write | None = None) -> list[Verdict]:
        return [finding.verdict for finding in self.see(outcome, write)]

    def state(self) -> SessionState:
        return self.session.state

    def record_verdict(self) -> Verdict:
        return self.registry.records()[-1].verdict


def after_two_adds(**options: Any) -> Desk:
    desk = Desk(**options)
    desk.see(known(version=1, lines={5: 2}), AddToCart(5, 2))
    desk.see(known(version=2, lines={5: 2, 9: 1}), AddToCart(9, 1))
    return desk


def after_actions(count: int) -> Desk:
    desk = Desk()
    actions: tuple[str, ...] = ()
    for number in range(1, count + 1):
        actions = (*actions, f"a{number}")[-10:]
        assert not desk.see(known(version=number, recent_activity=actions), RememberAction(f"a{number}"))
    return desk


# -- kept -----------------------------------------------------------------------------------------


def test_a_session_whose_every_write_is_shown_once_is_kept() -> None:
    desk = after_two_adds()
    desk.registry.mark()
    assert not desk.see(known(version=2, lines={5: 2, 9: 1}))
    assert desk.record_verdict() is Verdict.KEPT


def test_a_session_that_was_not_read_since_the_mark_is_indeterminate() -> None:
    desk = after_two_adds()
    desk.registry.mark()
    assert desk.record_verdict() is Verdict.INDETERMINATE


def test_what_was_seen_before_an_audit_is_due_does_not_decide() -> None:
    desk = after_two_adds()
    desk.registry.mark()
    assert not desk.see(known(version=2, lines={5: 2, 9: 1}))
    desk.session.awaits_audit()
    assert desk.record_verdict() is Verdict.INDETERMINATE
    assert not desk.see(known(version=2, lines={5: 2, 9: 1}))
    assert desk.record_verdict() is Verdict.KEPT


def test_a_version_alone_does_not_decide_for_a_cart_that_nobody_looked_into() -> None:
    desk = after_two_adds()
    desk.registry.mark()
    desk.see(known(version=2))
    assert desk.record_verdict() is Verdict.INDETERMINATE
    desk.see(known(version=2, lines={5: 2, 9: 1}))
    assert desk.record_verdict() is Verdict.KEPT


@pytest.mark.parametrize(
    "outcome",
    [
        TIMEOUT,
        REFUSED,
        Answer(502, OTHER),
        Answer(503, HOME, error="overloaded"),
        Answer(200, HOME, readable=False),
    ],
    ids=["timeout", "refused", "bad gateway", "unavailable", "garbage"],
)
def test_an_error_with_the_state_intact_loses_no_session(outcome: RequestOutcome) -> None:
    desk = after_two_adds()
    desk.registry.mark()
    assert desk.verdicts(outcome) == []
    assert desk.verdicts(known(version=2, lines={5: 2, 9: 1})) == []
    assert desk.record_verdict() is Verdict.KEPT


def test_a_write_that_was_refused_is_not_expected() -> None:
    desk = after_two_adds()
    assert not desk.see(Answer(404, HOME, error="not_found"), AddToCart(404, 1))
    assert not desk.see(known(version=2, lines={5: 2, 9: 1}))


def test_recent_actions_must_be_seen_too_before_a_session_is_kept() -> None:
    desk = after_actions(2)
    desk.registry.mark()
    desk.see(known(version=2))
    assert desk.record_verdict() is Verdict.INDETERMINATE
    desk.see(known(version=2, recent_activity=("a1", "a2")))
    assert desk.record_verdict() is Verdict.KEPT


def test_a_public_page_says_nothing_of_the_session() -> None:
    desk = after_two_adds()
    assert not desk.see(Answer(200, OTHER))
    assert desk.session.home == HOME


def test_a_degraded_answer_promises_and_shows_nothing() -> None:
    desk = after_two_adds()
    desk.registry.mark()
    degraded = Answer(200, OTHER, SessionStatus.DEGRADED, user_id=USER, version=0, lines={})
    assert not desk.see(degraded, AddToCart(1, 1))
    assert desk.record_verdict() is Verdict.INDETERMINATE
    assert not desk.see(known(version=2, lines={5: 2, 9: 1}))
    assert not desk.see(known(version=3, lines={5: 2, 9: 1, 1: 1}))


# -- lost -----------------------------------------------------------------------------------------


def test_a_session_that_stays_unknown_after_the_reload_is_lost() -> None:
    desk = after_two_adds(max_reloads=1)
    assert desk.verdicts(unknown()) == []
    assert desk.state() is SessionState.SUSPECT
    (finding,) = desk.see(unknown(HOME))
    assert finding.verdict is Verdict.LOST
    assert finding.home == HOME
    assert finding.answered_by == (OTHER, HOME)
    assert finding.acknowledged_version == 2
    assert desk.state() is SessionState.LOST
    assert (desk.registry.live_sessions, desk.registry.lost_so_far) == (0, 1)
    record = desk.registry.records()[0]
    assert (record.verdict, record.ended_monotonic_s) == (Verdict.LOST, desk.now_s)


def test_without_reloads_the_first_unknown_answer_loses_the_session() -> None:
    desk = after_two_adds(max_reloads=0)
    assert desk.verdicts(unknown()) == [Verdict.LOST]


def test_an_unanswered_reload_does_not_use_up_a_reload() -> None:
    desk = after_two_adds(max_reloads=1)
    desk.see(unknown())
    assert desk.verdicts(TIMEOUT) == []
    assert desk.verdicts(Answer(502, OTHER)) == []
    assert desk.state() is SessionState.SUSPECT


def test_an_expired_session_is_lost_at_once_and_says_so() -> None:
    desk = after_two_adds(max_reloads=3)
    (finding,) = desk.see(Answer(401, HOME, SessionStatus.EXPIRED, error="session_expired"))
    assert (finding.verdict, finding.evidence) == (Verdict.LOST, "expired")


def test_a_silently_new_session_is_lost() -> None:
    desk = after_two_adds()
    answer = Answer(200, OTHER, SessionStatus.NEW, user_id=USER, version=0, lines={})
    (finding,) = desk.see(answer)
    assert (finding.verdict, finding.evidence) == (Verdict.LOST, "silently new")


def test_an_emptied_session_is_lost() -> None:
    desk = after_two_adds()
    (finding,) = desk.see(known(version=0, lines={}))
    assert finding.verdict is Verdict.LOST
    assert finding.evidence.startswith("emptied")


def test_a_write_refused_as_unknown_was_not_applied() -> None:
    desk = after_two_adds()
    desk.see(unknown(), AddToCart(5, 1))
    assert desk.verdicts(known(version=3, lines={5: 3, 9: 1})) == [Verdict.DUPLICATED]


# -- misrouted ------------------------------------------------------------------------------------


def test_a_session_found_intact_by_the_reload_was_misrouted() -> None:
    desk = after_two_adds(max_reloads=1)
    desk.registry.mark()
    desk.see(unknown())
    (finding,) = desk.see(known(version=2, lines={5: 2, 9: 1}))
    assert finding.verdict is Verdict.MISROUTED
    assert finding.answered_by == (OTHER, HOME)
    assert desk.state() is SessionState.LIVE
    assert desk.record_verdict() is Verdict.MISROUTED
    # Found: the count of reloads begins anew.
    assert desk.verdicts(unknown()) == []


def test_a_suspect_session_is_indeterminate() -> None:
    desk = after_two_adds()
    desk.registry.mark()
    desk.see(known(version=2, lines={5: 2, 9: 1}))
    desk.see(unknown())
    assert desk.record_verdict() is Verdict.INDETERMINATE


# -- rolled back ----------------------------------------------------------------------------------


def test_an_older_version_is_rolled_back() -> None:
    desk = after_two_adds()
    (finding,) = desk.see(known(version=1))
    assert (finding.verdict, finding.acknowledged_version, finding.seen_version) == (
        Verdict.ROLLED_BACK,
        2,
        1,
    )


def test_a_missing_piece_is_rolled_back_even_if_the_version_is_right() -> None:
    desk = after_two_adds()
    assert desk.verdicts(known(version=2, lines={5: 2})) == [Verdict.ROLLED_BACK]


def test_a_write_answered_without_its_effect_is_rolled_back() -> None:
    desk = after_two_adds()
    assert desk.verdicts(known(version=3, lines={5: 2, 9: 1}), AddToCart(4, 1)) == [Verdict.ROLLED_BACK]


@pytest.mark.parametrize(
    ("count", "seen"),
    [
        (3, ("a1", "a2")),
        (3, ()),
        (3, ("a2", "a1", "a3")),
        (12, ("a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11")),
        (12, ("a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11", "a12")),
    ],
    ids=["last missing", "all missing", "out of order", "older window", "short window"],
)
def test_recent_actions_that_lack_an_acknowledged_one_are_rolled_back(
    count: int, seen: tuple[str, ...]
) -> None:
    desk = after_actions(count)
    assert desk.verdicts(known(version=count, recent_activity=seen)) == [Verdict.ROLLED_BACK]


def test_an_older_preference_is_rolled_back() -> None:
    desk = Desk(preferences={"theme": "plain", "language": "fr"})
    desk.see(known(version=1), SetPreferences({"theme": "dark"}))
    seen = {"theme": "plain", "language": "fr"}
    assert desk.verdicts(known(version=1, preferences=seen)) == [Verdict.ROLLED_BACK]


def test_a_missing_preference_is_rolled_back() -> None:
    desk = Desk(preferences={"theme": "plain", "language": "fr"})
    assert desk.verdicts(known(version=0, preferences={"theme": "plain"})) == [Verdict.ROLLED_BACK]


# -- duplicated -----------------------------------------------------------------------------------


def test_a_version_that_counts_more_than_was_sent_is_duplicated() -> None:
    desk = after_two_adds()
    assert desk.verdicts(known(version=3)) == [Verdict.DUPLICATED]


def test_more_pieces_than_were_added_are_duplicated() -> None:
    desk = after_two_adds()
    assert desk.verdicts(known(version=2, lines={5: 4, 9: 1})) == [Verdict.DUPLICATED]


def test_an_action_remembered_twice_is_duplicated() -> None:
    desk = after_actions(2)
    assert desk.verdicts(known(version=2, recent_activity=("a1", "a2", "a2"))) == [Verdict.DUPLICATED]


def test_an_action_that_had_left_the_window_and_came_back_was_applied_twice() -> None:
    desk = after_actions(12)
    back = (*(f"a{number}" for number in range(4, 13)), "a1")
    assert desk.verdicts(known(version=12, recent_activity=back)) == [Verdict.DUPLICATED]


def test_an_unanswered_action_that_was_seen_leave_the_window_may_not_come_back() -> None:
    desk = Desk()
    desk.see(TIMEOUT, RememberAction("late"))
    window: tuple[str, ...] = ("late",)
    assert not desk.see(known(recent_activity=window))
    for number in range(10):
        window = (*window, f"a{number}")[-10:]
        assert not desk.see(known(recent_activity=window), RememberAction(f"a{number}"))
    back = (*window[1:], "late")
    assert desk.verdicts(known(recent_activity=back)) == [Verdict.DUPLICATED]


# -- foreign --------------------------------------------------------------------------------------


def test_another_users_state_is_foreign_and_does_not_change_what_was_promised() -> None:
    desk = after_two_adds()
    (finding,) = desk.see(known(user_id=99, version=40, lines={1: 1}))
    assert (finding.verdict, finding.evidence) == (Verdict.FOREIGN, "answered with the state of user 99")
    assert desk.verdicts(known(version=2, lines={5: 2, 9: 1})) == []


@pytest.mark.parametrize(
    "seen",
    [
        {"lines": {5: 2, 9: 1, 7: 1}},
        {"recent_activity": ("never sent",)},
        {"preferences": {"theme": "somebody's"}},
        {"preferences": {"theme": "plain", "other": "x"}},
    ],
    ids=["cart", "activity", "preference", "new preference"],
)
def test_state_that_nobody_is_known_to_have_written_is_no_proof_of_a_leak(seen: dict[str, Any]) -> None:
    desk = after_two_adds(preferences={"theme": "plain"})
    (finding,) = desk.see(known(version=2, **seen))
    assert finding.verdict is Verdict.ROLLED_BACK
    assert "never wrote" in finding.evidence or "lacks" in finding.evidence


def test_a_login_answered_with_another_user_is_foreign() -> None:
    registry = SessionRegistry()
    shop = ShopSessions(registry, 1)
    answer = Answer(200, HOME, SessionStatus.NEW, user_id=99, version=0)
    _, findings = shop.open(3, USER, answer, 1.0, client_held=False)
    assert [finding.verdict for finding in findings] == [Verdict.FOREIGN]


# -- writes of unknown outcome --------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome", [TIMEOUT, Answer(502, OTHER), Answer(500, HOME), Answer(200, HOME, readable=False)]
)
@pytest.mark.parametrize("applied", [True, False])
def test_both_futures_of_an_unanswered_write_are_legal(outcome: RequestOutcome, applied: bool) -> None:
    desk = after_two_adds()
    desk.see(outcome, AddToCart(5, 1))
    if applied:
        assert not desk.see(known(version=3, lines={5: 3, 9: 1}))
        assert not desk.see(known(version=4, lines={5: 4, 9: 1}), AddToCart(5, 1))
    else:
        assert not desk.see(known(version=2, lines={5: 2, 9: 1}))
        assert not desk.see(known(version=3, lines={5: 3, 9: 1}), AddToCart(5, 1))


@pytest.mark.parametrize("applied", [True, False])
def test_a_write_answered_with_anothers_state_may_have_been_applied(applied: bool) -> None:
    desk = after_two_adds()
    desk.see(known(user_id=99), AddToCart(5, 1))
    version, pieces = (3, 3) if applied else (2, 2)
    assert not desk.see(known(version=version, lines={5: pieces, 9: 1}))


def test_an_open_write_that_a_version_has_counted_stays_counted() -> None:
    desk = after_two_adds()
    desk.see(TIMEOUT, AddToCart(5, 1))
    desk.see(TIMEOUT, AddToCart(9, 1))
    assert not desk.see(known(version=3))
    assert desk.verdicts(known(version=2)) == [Verdict.ROLLED_BACK]


def test_once_a_version_counts_every_open_write_all_of_them_must_be_there() -> None:
    desk = after_two_adds()
    desk.see(TIMEOUT, AddToCart(5, 1))
    assert not desk.see(known(version=3))
    assert desk.verdicts(known(version=3, lines={5: 2, 9: 1})) == [Verdict.ROLLED_BACK]


def test_a_cart_that_showed_an_open_add_must_go_on_showing_it() -> None:
    desk = Desk()
    for quantity in (1, 3):
        desk.see(TIMEOUT, AddToCart(5, quantity))
    assert not desk.see(known(lines={5: 3}))
    assert not desk.see(known(), AddToCart(5, 1))
    assert desk.verdicts(known(lines={5: 3})) == [Verdict.ROLLED_BACK]


def test_an_open_preference_that_was_seen_must_stay() -> None:
    desk = Desk(preferences={"theme": "plain"})
    desk.see(TIMEOUT, SetPreferences({"theme": "dark"}))
    assert not desk.see(known(preferences={"theme": "dark"}))
    assert desk.verdicts(known(preferences={"theme": "plain"})) == [Verdict.ROLLED_BACK]


def test_a_write_that_was_never_sent_cannot_have_been_applied() -> None:
    desk = after_two_adds()
    desk.see(REFUSED, AddToCart(5, 1))
    assert desk.verdicts(known(version=3)) == [Verdict.DUPLICATED]


def test_an_unanswered_write_that_was_seen_once_must_stay() -> None:
    desk = after_two_adds()
    desk.see(TIMEOUT, AddToCart(5, 1))
    desk.see(known(version=3, lines={5: 3, 9: 1}))
    assert desk.verdicts(known(version=2, lines={5: 2, 9: 1})) == [Verdict.ROLLED_BACK]


def test_an_unanswered_write_may_be_applied_once_but_not_twice() -> None:
    desk = after_two_adds()
    desk.see(TIMEOUT, AddToCart(5, 1))
    assert desk.verdicts(known(version=4, lines={5: 4, 9: 1})) == [Verdict.DUPLICATED]


def test_an_unanswered_write_may_be_applied_after_later_ones() -> None:
    desk = Desk()
    desk.see(TIMEOUT, RememberAction("late"))
    assert not desk.see(known(version=1, recent_activity=("b",)), RememberAction("b"))
    assert not desk.see(known(version=2, recent_activity=("b", "late")))
    assert desk.verdicts(known(version=2, recent_activity=("b",))) == [Verdict.ROLLED_BACK]


def test_any_sum_of_unanswered_adds_is_legal_and_nothing_else() -> None:
    desk = Desk()
    for quantity in (1, 3):
        desk.see(TIMEOUT, AddToCart(5, quantity))
    assert not desk.see(known(version=1, lines={5: 3}))
    assert not desk.see(known(version=2, lines={5: 4}))
    other = Desk()
    for quantity in (1, 3):
        other.see(TIMEOUT, AddToCart(5, quantity))
    assert other.verdicts(known(version=1, lines={5: 2})) == [Verdict.DUPLICATED]


def test_a_late_preference_may_win_over_a_newer_one() -> None:
    desk = Desk(preferences={"theme": "plain"})
    desk.see(TIMEOUT, SetPreferences({"theme": "late"}))
    assert not desk.see(known(version=1, preferences={"theme": "dark"}), SetPreferences({"theme": "dark"}))
    assert not desk.see(known(version=2, preferences={"theme": "late"}))
    assert desk.verdicts(known(version=2, preferences={"theme": "plain"})) == [Verdict.ROLLED_BACK]


def test_with_the_client_holding_its_state_an_unanswered_write_never_reaches_it() -> None:
    desk = Desk(client_held=True)
    desk.see(TIMEOUT, AddToCart(5, 1))
    assert not desk.see(known(version=0, lines={}))
    assert desk.verdicts(known(version=1, lines={5: 1})) == [Verdict.ROLLED_BACK, Verdict.DUPLICATED]


def test_with_the_client_holding_its_state_preferences_may_be_ahead_of_the_token_and_behind_again() -> None:
    desk = Desk(client_held=True, preferences={"theme": "plain"})
    desk.see(TIMEOUT, SetPreferences({"theme": "dark"}))
    assert not desk.see(known(version=0, preferences={"theme": "dark"}))
    assert not desk.see(known(version=0, preferences={"theme": "plain"}))


def test_a_preference_left_open_by_a_lost_session_may_come_to_light_in_the_next() -> None:
    desk = Desk(preferences={"theme": "plain"}, max_reloads=0)
    desk.see(TIMEOUT, SetPreferences({"theme": "late"}))
    desk.see(unknown())
    desk.log_in({"theme": "plain"})
    assert not desk.see(known(version=0, preferences={"theme": "late"}))


# -- how findings are counted ---------------------------------------------------------------------


def test_one_fault_is_not_found_again_at_every_later_read() -> None:
    desk = after_two_adds()
    rolled_back = known(version=1, lines={5: 2})
    assert desk.verdicts(rolled_back) == [Verdict.ROLLED_BACK]
    assert desk.verdicts(rolled_back) == []
    assert desk.verdicts(known(version=2, lines={5: 3}), AddToCart(5, 1)) == []


def test_each_kind_is_reported_once_for_a_session() -> None:
    desk = after_two_adds()
    assert desk.verdicts(known(version=1)) == [Verdict.ROLLED_BACK]
    assert desk.verdicts(known(version=5)) == [Verdict.DUPLICATED]
    assert desk.verdicts(known(version=4)) == []


def test_what_a_violation_did_not_show_is_taken_as_it_is_when_it_is_seen() -> None:
    desk = after_two_adds()
    desk.see(known(version=1))
    desk.registry.mark()
    assert not desk.see(known(version=1, lines={5: 2}))
    assert desk.record_verdict() is Verdict.KEPT
    desk.see(known(version=1, lines={5: 1}))
    assert desk.record_verdict() is Verdict.ROLLED_BACK


def test_what_a_violation_showed_is_the_new_base_in_every_part() -> None:
    desk = after_actions(3)
    older = known(version=2, recent_activity=("a1", "a2"), preferences={})
    assert desk.verdicts(older) == [Verdict.ROLLED_BACK]
    desk.registry.mark()
    desk.see(older)
    desk.see(known(version=3, recent_activity=("a1", "a2", "b")), RememberAction("b"))
    assert desk.record_verdict() is Verdict.KEPT


def test_the_worst_verdict_after_the_mark_stands() -> None:
    desk = after_two_adds()
    desk.registry.mark()
    desk.see(known(version=3))
    desk.see(known(version=1))
    desk.see(known(version=1, lines={5: 2}))
    assert desk.record_verdict() is Verdict.ROLLED_BACK


def test_what_was_found_before_the_mark_does_not_count_after_it() -> None:
    desk = after_two_adds()
    desk.see(known(version=1, lines={5: 2}))
    desk.registry.mark()
    desk.see(known(version=1, lines={5: 2}))
    assert desk.record_verdict() is Verdict.KEPT


def test_a_kind_found_before_the_mark_and_again_after_it_counts() -> None:
    desk = after_two_adds()
    desk.see(known(version=1, lines={5: 2}))
    desk.see(known(version=2, lines={5: 3}), AddToCart(5, 1))
    desk.registry.mark()
    desk.see(known(version=1, lines={5: 2}))
    assert desk.record_verdict() is Verdict.ROLLED_BACK


# -- the registry -------------------------------------------------------------------------------------


def test_the_mark_counts_live_sessions_by_the_replica_that_answered_last() -> None:
    registry = SessionRegistry()
    shop = ShopSessions(registry, 1)
    for shopper, replica in enumerate((HOME, HOME, OTHER)):
        answer = Answer(200, replica, SessionStatus.NEW, user_id=shopper, version=0)
        shop.open(shopper, shopper, answer, 1.0, client_held=False)
    assert registry.mark() == {HOME: 2, OTHER: 1}


def test_the_first_mark_fixes_who_is_alive_and_where() -> None:
    desk = after_two_adds()
    desk.registry.mark()
    desk.see(known(replica=OTHER, version=2, lines={5: 2, 9: 1}))
    assert desk.registry.mark() == {OTHER: 1}
    (record,) = desk.registry.records()
    assert (record.pod, record.boot, record.live_at_mark) == (HOME.pod, HOME.boot, True)


def test_sessions_are_numbered_for_each_shopper() -> None:
    desk = Desk(max_reloads=0)
    desk.see(unknown())
    desk.log_in()
    assert [record.session for record in desk.registry.records()] == ["3.1", "3.2"]


def test_a_replica_that_says_lost_twice_of_a_session_told_it_once() -> None:
    desk = after_two_adds(max_reloads=2)
    for replica in (OTHER, OTHER, HOME):
        desk.see(unknown(replica))
    assert desk.registry.told_lost() == {str(OTHER): {"session_lost": 1}, str(HOME): {"session_lost": 1}}


# -- conversation -----------------------------------------------------------------------------------


def talk(*texts: str, **fields: Any) -> Answer:
    return known(conversation=texts, digest=conversation_digest(texts), **fields)


def after_two_exchanges() -> Desk:
    desk = Desk()
    assert not desk.see(talk("one", version=1), Converse("one"))
    assert not desk.see(talk("one", "two", version=2), Converse("two"))
    return desk


def test_a_conversation_that_is_shown_whole_is_kept_and_one_not_looked_at_is_undecided() -> None:
    desk = after_two_exchanges()
    desk.registry.mark()
    desk.see(known(version=2))
    assert desk.record_verdict() is Verdict.INDETERMINATE
    assert not desk.see(talk("one", "two", version=2))
    assert desk.record_verdict() is Verdict.KEPT


def test_only_the_last_20_exchanges_are_promised() -> None:
    desk, said = Desk(), [str(number) for number in range(1, 31)]
    for number in range(1, 31):
        kept = said[max(0, number - 20) : number]
        assert not desk.see(talk(*kept, version=number), Converse(str(number)))
    assert desk.verdicts(talk(*said[9:29], version=30)) == [Verdict.ROLLED_BACK]


@pytest.mark.parametrize(
    ("texts", "verdict"),
    [
        (("one",), Verdict.ROLLED_BACK),
        ((), Verdict.ROLLED_BACK),
        (("two", "one"), Verdict.ROLLED_BACK),
        (("one", "two", "two"), Verdict.DUPLICATED),
        (("one", "two", "what another user said"), Verdict.ROLLED_BACK),
    ],
)
def test_a_conversation_that_is_not_what_was_said_is_named(texts: tuple[str, ...], verdict: Verdict) -> None:
    assert after_two_exchanges().verdicts(talk(*texts, version=2)) == [verdict]


def test_a_digest_of_another_conversation_gives_away_what_the_replies_rest_on() -> None:
    desk = after_two_exchanges()
    (finding,) = desk.see(known(version=2, conversation=("one", "two"), digest=conversation_digest(["one"])))
    assert finding.verdict is Verdict.ROLLED_BACK
    assert "digest" in finding.evidence


def test_an_exchange_without_an_answer_may_have_been_kept_or_not() -> None:
    for seen in (("one", "two"), ("one", "two", "open"), ("one", "open", "two")):
        desk = after_two_exchanges()
        desk.see(TIMEOUT, Converse("open"))
        assert not desk.see(talk(*seen, version=len(seen)))


# -- state that comes back --------------------------------------------------------------------------


def test_a_product_of_ones_own_that_was_missing_and_comes_back_is_not_foreign() -> None:
    desk = after_two_adds()
    desk.see(known(lines={5: 2}))
    desk.registry.mark()
    desk.see(known(lines={5: 2, 9: 1}))
    assert desk.record_verdict() is Verdict.ROLLED_BACK


def test_a_preference_of_ones_own_that_comes_back_is_not_foreign() -> None:
    desk = Desk(preferences={"theme": "light"})
    desk.see(known(), SetPreferences({"theme": "77333-7"}))
    desk.see(known(preferences={"theme": "light"}))
    desk.registry.mark()
    desk.see(known(preferences={"theme": "77333-7"}))
    assert desk.record_verdict() is Verdict.ROLLED_BACK


# -- another user's state ---------------------------------------------------------------------------


def test_what_another_user_is_known_to_have_written_is_foreign_and_what_nobody_wrote_is_not() -> None:
    desk = Desk(preferences={"theme": "light"})
    other, _ = desk.shop.open(9, 9, known(preferences={"theme": "dark"}), 0.0, client_held=False)
    desk.shop.observe(other, SetPreferences({"theme": "9-1"}), known(version=1), 1.0)
    theirs = desk.see(known(preferences={"theme": "9-1"}))
    assert [finding.verdict for finding in theirs] == [Verdict.FOREIGN]
    nobodys = desk.see(known(preferences={"theme": "77"}))
    assert Verdict.FOREIGN not in {finding.verdict for finding in nobodys}


# -- unknown without a word of the contract -----------------------------------------------------------

FORBIDDEN = Answer(403, OTHER, readable=False)
LOGIN_PAGE = read_answer(302, {"location": "http://shop/account/login?next=/dashboard"}, None)


@pytest.mark.parametrize("answer", [FORBIDDEN, LOGIN_PAGE], ids=["403", "302"])
def test_a_session_is_lost_where_403_or_a_login_page_comes_until_the_reloads_are_used_up(
    answer: Answer,
) -> None:
    desk = after_two_adds(max_reloads=1)
    desk.registry.mark()
    assert desk.verdicts(answer) == []
    assert desk.state() is SessionState.SUSPECT
    (finding,) = desk.see(answer)
    assert finding.verdict is Verdict.LOST
    assert f"answered {answer.status}" in finding.evidence


def test_a_session_found_elsewhere_after_a_403_was_misrouted() -> None:
    desk = after_two_adds(max_reloads=1)
    assert desk.verdicts(FORBIDDEN) == []
    assert desk.verdicts(known(version=2, lines={5: 2, 9: 1})) == [Verdict.MISROUTED]


def test_a_403_of_the_replica_that_knows_the_session_is_but_a_refusal() -> None:
    desk = after_two_adds(max_reloads=1)
    assert desk.verdicts(Answer(403, HOME), AddToCart(4, 1)) == []
    assert desk.verdicts(known(version=2, lines={5: 2, 9: 1})) == []
    assert desk.state() is SessionState.LIVE


@pytest.mark.parametrize("location", ["/login", "/users/sign_in", "https://id.example/signin?x=1", "/auth"])
def test_a_login_page_is_known_by_its_path(location: str) -> None:
    assert read_answer(302, {"location": location}, None).to_login


@pytest.mark.parametrize(
    ("status", "location"), [(302, "/cart"), (302, ""), (200, "/login"), (302, "/login/done"), (303, "/blog")]
)
def test_other_redirects_lead_to_no_login_page(status: int, location: str) -> None:
    assert not read_answer(status, {"location": location}, None).to_login


def test_a_finding_says_how_long_ago_the_session_was_seen_intact() -> None:
    registry = SessionRegistry()
    shop = ShopSessions(registry, 0)
    login = Answer(200, HOME, SessionStatus.KNOWN, user_id=USER, version=0, lines={})
    session, _ = shop.open(1, USER, login, 10.0, client_held=False)
    shop.observe(session, None, known(version=0), 12.0)
    shop.observe(session, None, TIMEOUT, 15.0)
    (finding,) = shop.observe(session, None, unknown(), 18.5)
    assert finding.idle_s == 6.5
