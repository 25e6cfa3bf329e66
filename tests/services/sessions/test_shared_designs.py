"""Designs in which any replica serves any session: no write is lost, nothing stale is handed out."""

from __future__ import annotations

import time
from functools import partial

import pytest

from services.sessions.protocol import Ended, SessionStore
from services.sessions.session import Session
from services.settings import SessionDesign
from tests.services.backing import together, wait_until
from tests.services.sessions.conftest import MakeHousehold
from tests.services.sessions.designs import Household, session
from tests.services.sessions.test_every_design import act

KEY = session().key


@pytest.fixture
def house(make_household: MakeHousehold, shared_design: SessionDesign) -> Household:
    return make_household(shared_design)


def versions(found: Session | None) -> int:
    assert found is not None
    return found.version


def test_a_client_that_moves_and_comes_back_sees_its_newest_write(house: Household) -> None:
    a, b = house.start("a"), house.start("b")
    a.create(session())
    assert versions(a.update(KEY, act)) == 1
    assert versions(b.load(KEY)) == 1
    assert versions(b.update(KEY, act)) == 2
    assert versions(a.load(KEY)) == 2
    assert versions(a.update(KEY, act)) == 3
    found = b.load(KEY)
    assert versions(found) == 3
    assert found is not None
    assert found.activity == ("acted",) * 3


def test_a_replica_that_dies_or_ends_takes_no_session_with_it(house: Household) -> None:
    house.start("bystander")
    for boot, end in (("killed", house.kill), ("ended", house.end)):
        first = house.start(boot)
        first.create(session(boot))
        first.update(boot, act)
        end(boot)
        assert versions(house.start(f"after {boot}").load(boot)) == 1


def test_concurrent_writes_on_several_replicas_all_count(house: Household) -> None:
    replicas = [house.start(boot) for boot in ("a", "b", "c")]
    replicas[0].create(session())
    writes = 20
    together([partial(write, replica, writes) for replica in replicas for _ in range(3)])
    assert versions(replicas[0].load(KEY)) == 9 * writes
    raced = sum(house.sample(boot, "statefall_session_conflicts_total") or 0 for boot in "abc")
    moved = sum(
        house.sample(boot, "statefall_sessions_handed_over_total", direction="in") or 0 for boot in "abc"
    )
    assert raced + moved > 0


def write(replica: SessionStore, writes: int, key: str = KEY) -> None:
    for _ in range(writes):
        assert replica.update(key, act) is not None


def test_a_logout_holds_on_every_replica(house: Household) -> None:
    a, b = house.start("a"), house.start("b")
    a.create(session())
    assert b.load(KEY) is not None
    assert a.delete(KEY)
    assert b.load(KEY) is None
    assert b.update(KEY, act) is None
    assert b.ended(KEY) is Ended.LOGGED_OUT


def test_a_move_is_a_use_and_renews_the_session(
    make_household: MakeHousehold, shared_design: SessionDesign
) -> None:
    for ttl_s in (1.0, 5.0, 20.0):
        house = make_household(shared_design, ttl_s=ttl_s)
        a, b = house.start(f"a{ttl_s}"), house.start(f"b{ttl_s}")
        a.create(session())
        begin_s = last_s = time.monotonic()
        longest_s, here, there = 0.0, a, b
        while last_s < begin_s + 2.5 * ttl_s and here.load(KEY) is not None:
            longest_s, last_s = max(longest_s, time.monotonic() - last_s), time.monotonic()
            here, there = there, here
            time.sleep(ttl_s / 3)  # between two uses; no single one is longer ago than the life of a session
        if longest_s < ttl_s * 0.8:
            assert last_s >= begin_s + 2.5 * ttl_s
            return
        house.close()
    pytest.fail("this machine stands still for seconds")


def test_an_expiry_holds_on_every_replica(
    make_household: MakeHousehold, shared_design: SessionDesign
) -> None:
    house = make_household(shared_design, ttl_s=0.2)
    a, b = house.start("a"), house.start("b")
    a.create(session())
    wait_until(lambda: not a.holds(KEY), "the session expired")
    assert b.load(KEY) is None
    assert b.ended(KEY) is Ended.EXPIRED
