"""State design `handoff`: a replica that takes a session over, and what may come between its two steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from services.refusals import Unavailable
from services.sessions.protocol import Ended, SessionStore
from services.sessions.records import SessionRecords
from services.settings import SessionDesign
from services.store import StoreUnavailable
from tests.services.backing import wait_until
from tests.services.sessions.conftest import MakeHousehold
from tests.services.sessions.designs import Household, session
from tests.services.sessions.test_every_design import act
from tests.services.sessions.test_shared_designs import versions

KEY = session().key


@pytest.fixture
def house(make_household: MakeHousehold) -> Household:
    return make_household(SessionDesign.HANDOFF)


Hook = Callable[[Callable[[], bool]], bool]


@pytest.fixture
def on_confirmation(monkeypatch: pytest.MonkeyPatch) -> Callable[[Hook], None]:
    """Lets a test step in where a replica confirms that it takes a session over."""
    confirm = SessionRecords.confirm

    def step_in(hook: Hook) -> None:
        monkeypatch.setattr(SessionRecords, "confirm", lambda *words: hook(partial(confirm, *words)))

    return step_in


def given_away(house: Household) -> SessionStore:
    """The replica `first`, which drains and has put the session of version 1 into the store."""
    first = house.start("first")
    first.create(session())
    first.update(KEY, act)
    first.drain()
    wait_until(lambda: first.active() == 0, "it was given away")
    return first


def is_refused(replica: SessionStore, match: str) -> None:
    """Nobody can use the session there, and no answer says that it is gone."""
    uses: list[Callable[[], object]] = [
        lambda: replica.load(KEY) or replica.ended(KEY),
        lambda: replica.update(KEY, act) or replica.ended(KEY),
        lambda: replica.delete(KEY),
        lambda: replica.holds(KEY),
    ]
    for use in uses:
        with pytest.raises(Unavailable, match=match):
            use()


def not_answered(confirm: Callable[[], bool]) -> bool:
    confirm()
    raise StoreUnavailable


def not_sent(confirm: Callable[[], bool]) -> bool:
    raise StoreUnavailable


def test_nobody_uses_a_session_while_it_is_taken_over(
    house: Household, on_confirmation: Callable[[Hook], None]
) -> None:
    first, second, third = given_away(house), house.start("second"), house.start("third")

    def refuse_the_others(confirm: Callable[[], bool]) -> bool:
        is_refused(first, "taking this session over")
        is_refused(third, "taking this session over")
        return confirm()

    on_confirmation(refuse_the_others)
    assert versions(second.load(KEY)) == 1
    assert versions(second.update(KEY, act)) == 2
    is_refused(first, "moved to another replica")


@pytest.mark.parametrize(
    ("lost", "refusal"), [(not_answered, "moved to another replica"), (not_sent, "taking this session over")]
)
def test_a_takeover_that_was_not_answered_is_finished_at_the_next_request(
    house: Household, on_confirmation: Callable[[Hook], None], lost: Hook, refusal: str
) -> None:
    first, second = given_away(house), house.start("second")
    on_confirmation(lost)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            second.update(KEY, act)
    is_refused(first, refusal)
    assert second.active() == 1
    assert second.holds(KEY)
    on_confirmation(lambda confirm: confirm())
    changed = second.update(KEY, act)
    assert versions(changed) == 2
    assert changed is not None
    assert changed.epoch == 1
    assert second.active() == 1


def left_unanswered(house: Household, on_confirmation: Callable[[Hook], None], lost: Hook) -> SessionStore:
    """The replica that took the session over and was not told whether it has it."""
    given_away(house)
    second = house.start("second")
    on_confirmation(lost)
    with pytest.raises(StoreUnavailable):
        second.load(KEY)
    return second


@pytest.mark.parametrize("lost", [not_answered, not_sent])
def test_a_takeover_that_was_not_answered_survives_the_end_of_its_replica(
    house: Household, on_confirmation: Callable[[Hook], None], lost: Hook
) -> None:
    left_unanswered(house, on_confirmation, lost)
    on_confirmation(lambda confirm: confirm())
    house.end("second")
    assert versions(house.start("third").load(KEY)) == 1


@pytest.mark.parametrize("lost", [not_answered, not_sent])
def test_a_takeover_that_was_not_answered_needs_no_request_to_be_finished(
    house: Household, on_confirmation: Callable[[Hook], None], lost: Hook
) -> None:
    second = left_unanswered(house, on_confirmation, lost)
    assert second.sweep() == 0
    assert house.sample("second", "statefall_sessions_handed_over_total", direction="in") in (None, 0)
    on_confirmation(lambda confirm: confirm())
    assert second.sweep() == 0
    assert house.sample("second", "statefall_sessions_handed_over_total", direction="in") == 1
    assert second.active() == 1


@pytest.mark.parametrize("lost", [not_answered, not_sent])
def test_a_logout_holds_after_a_takeover_that_was_not_answered(
    house: Household, on_confirmation: Callable[[Hook], None], lost: Hook
) -> None:
    second = left_unanswered(house, on_confirmation, lost)
    on_confirmation(lambda confirm: confirm())
    assert second.delete(KEY)
    assert second.load(KEY) is None
    assert second.ended(KEY) is Ended.LOGGED_OUT


def test_a_claimer_that_dies_holds_the_session_up_and_does_not_lose_it(
    house: Household, on_confirmation: Callable[[Hook], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sessions.records.CLAIM_S", 0.5)
    given_away(house)
    on_confirmation(not_sent)
    with pytest.raises(StoreUnavailable):
        house.start("second").load(KEY)
    house.kill("second")
    on_confirmation(lambda confirm: confirm())
    third = house.start("third")
    wait_until(lambda: is_held(third), "the claim ran out")
    assert versions(third.update(KEY, act)) == 2


def is_held(replica: SessionStore) -> bool:
    try:
        return replica.holds(KEY)
    except Unavailable:
        return False


def test_a_claimer_that_was_too_slow_begins_with_what_is_there(
    house: Household, on_confirmation: Callable[[Hook], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sessions.records.CLAIM_S", 0.1)
    first, second = given_away(house), house.start("second")
    on_confirmation(not_sent)
    with pytest.raises(StoreUnavailable):
        second.load(KEY)
    wait_until(lambda: is_held(first), "the claim ran out")
    assert versions(first.update(KEY, act)) == 2
    on_confirmation(lambda confirm: confirm())
    assert versions(second.load(KEY)) == 2
    assert second.active() == 1


def test_a_draining_replica_serves_nothing_older_than_the_clients_cookie(house: Household) -> None:
    first = given_away(house)
    assert first.load(KEY, epoch=1) is None
    assert first.update(KEY, act, epoch=1) is None
    assert first.ended(KEY) is None
    assert versions(first.load(KEY)) == 1
