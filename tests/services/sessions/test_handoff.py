"""State design `handoff`: an end in order loses nothing, and no session ever has two owners."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial

import pytest

from services.refusals import Unavailable
from services.sessions.protocol import Ended, SessionStore
from services.sessions.session import Session
from services.settings import SessionDesign
from services.store import StoreUnavailable
from tests.services.backing import DEADLINE_S, Valkey, together, wait_until
from tests.services.sessions.conftest import MakeHousehold
from tests.services.sessions.designs import Household, session
from tests.services.sessions.test_every_design import act
from tests.services.sessions.test_shared_designs import versions

KEY = session().key


@pytest.fixture
def house(make_household: MakeHousehold) -> Household:
    return make_household(SessionDesign.HANDOFF)


def test_an_end_in_order_hands_every_session_over(house: Household) -> None:
    first = house.start("first")
    for number in range(500):
        first.create(session(str(number), number))
        first.update(str(number), act)
    house.end("first")
    assert house.sample("first", "statefall_sessions_handed_over_total", direction="out") == 500
    successors = [house.start("second"), house.start("third")]
    for number in range(500):
        found = successors[number % 2].load(str(number))
        assert versions(found) == 1
        assert found is not None
        assert found.user_id == number
    assert [successor.active() for successor in successors] == [250, 250]
    assert house.sample("second", "statefall_sessions_handed_over_total", direction="in") == 250


def test_a_sigkill_loses_what_the_process_held(house: Household) -> None:
    house.start("first").create(session())
    house.kill("first")
    assert house.start("second").load(KEY) is None


def test_a_session_has_one_owner_at_a_time(house: Household) -> None:
    house.start("first").create(session())
    house.end("first")
    replicas = [house.start(f"replica {number}") for number in range(4)]
    found = together([partial(load_or_refuse, replica) for replica in replicas])
    assert len([one for one in found if one is not None]) == 1
    assert sum(replica.active() for replica in replicas) == 1


def load_or_refuse(replica: SessionStore) -> Session | None:
    try:
        return replica.load(KEY)
    except Unavailable:  # another replica was about to take it
        return None


def test_a_session_that_moved_carries_a_higher_epoch(house: Household) -> None:
    house.start("1").create(session())
    for boot in ("1", "2", "3"):
        house.end(boot)
        successor = house.start(str(int(boot) + 1))
        found = successor.load(KEY)
        assert found is not None
        assert found.epoch == int(boot)


def test_a_copy_older_than_the_clients_cookie_is_not_served(house: Household) -> None:
    house.start("first").create(session())
    house.end("first")
    assert house.start("second").load(KEY, epoch=5) is None


def test_traffic_during_the_drain_is_served_and_not_lost(house: Household) -> None:
    first = house.start("first")
    keys = [str(number) for number in range(300)]
    for key in keys:
        first.create(session(key))
    begun, stop = threading.Event(), threading.Event()
    acknowledged = dict.fromkeys(keys, 0)

    def shop(mine: list[str]) -> None:
        while not stop.is_set():
            for key in mine:
                changed = first.update(key, act)
                assert changed is not None
                assert changed.version == acknowledged[key] + 1
                acknowledged[key] = changed.version
                begun.set()

    def drain() -> None:
        begun.wait()
        first.drain()
        wait_until(lambda: first.active() == 0, "everything is in the store")
        stop.set()

    actions: list[Callable[[], None]] = [*(partial(shop, keys[n::4]) for n in range(4)), drain]
    together(actions)
    house.end("first")
    second = house.start("second")
    assert {key: versions(second.load(key)) for key in keys} == acknowledged


def test_traffic_during_the_drain_is_not_lost_when_the_sessions_move_on(house: Household) -> None:
    first, second = house.start("first"), house.start("second")
    keys = [str(number) for number in range(200)]
    for key in keys:
        first.create(session(key))
    first.drain()
    wait_until(lambda: first.active() == 0, "everything is in the store")
    acknowledged = dict.fromkeys(keys, 0)

    def shop(mine: list[str], begun: dict[str, threading.Event]) -> None:
        for key in mine:
            with contextlib.suppress(Unavailable):
                while (changed := first.update(key, act)) is not None:
                    acknowledged[key] = changed.version
                    begun[key].set()

    def move(mine: list[str], begun: dict[str, threading.Event]) -> None:
        for key in mine:
            assert begun[key].wait(DEADLINE_S)
            assert second.load(key) is not None

    begun = {key: threading.Event() for key in keys}
    together([partial(what, keys[n::2], begun) for what in (shop, move) for n in range(2)])
    assert {key: versions(second.load(key)) for key in keys} == acknowledged


def test_a_login_during_the_drain_is_kept(house: Household) -> None:
    first = house.start("first")
    first.drain()
    first.create(session())
    assert versions(first.update(KEY, act)) == 1
    house.end("first")
    assert versions(house.start("second").load(KEY)) == 1


def test_a_logout_during_the_drain_holds_everywhere(house: Household) -> None:
    first = house.start("first")
    first.create(session())
    first.drain()
    assert first.delete(KEY)
    house.end("first")
    second = house.start("second")
    assert second.load(KEY) is None
    assert second.ended(KEY) is Ended.LOGGED_OUT


def test_a_draining_replica_does_not_call_lost_what_it_gave_away(house: Household) -> None:
    first, second = house.start("first"), house.start("second")
    first.create(session())
    first.drain()
    wait_until(lambda: first.active() == 0, "it was given away")
    assert second.load(KEY) is not None
    assert first.load(KEY) is None
    with pytest.raises(Unavailable, match="moved to another replica"):
        first.ended(KEY)


def test_what_is_left_of_a_sessions_life_moves_with_it(make_household: MakeHousehold) -> None:
    house = make_household(SessionDesign.HANDOFF, ttl_s=1.0)
    house.start("first").create(session())
    house.end("first")
    second = house.start("second")
    wait_until(lambda: not second.holds(KEY), "the session expired in the store")
    assert second.load(KEY) is None
    assert second.ended(KEY) is Ended.EXPIRED


def test_a_drain_waits_for_the_store_and_then_loses_nothing(house: Household, valkey: Valkey) -> None:
    first = house.start("first")
    first.create(session())
    valkey.stop()
    first.drain()
    with pytest.raises(StoreUnavailable):
        first.load(KEY)  # it may be in the store already, for all one knows
    assert first.active() == 1
    valkey.start()
    wait_until(lambda: first.active() == 0, "it was handed over when the store was back")
    house.end("first")
    assert versions(house.start("second").load(KEY)) == 0


def test_a_miss_while_the_store_is_away_is_not_called_a_loss(house: Household, valkey: Valkey) -> None:
    first = house.start("first")
    first.create(session())
    valkey.stop()
    assert versions(first.update(KEY, act)) == 1  # what it holds needs no store
    with pytest.raises(StoreUnavailable):
        first.load("unknown")
