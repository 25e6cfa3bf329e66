"""What holds for a session whatever the design: the rules of `services.sessions.protocol`."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from services.refusals import BadRequest
from services.sessions.protocol import Ended, SessionStore
from services.sessions.session import Session
from services.settings import Serialisation, SessionDesign
from tests.services.backing import together, wait_until
from tests.services.sessions.conftest import MakeHousehold
from tests.services.sessions.designs import full_session, session

KEY = session().key


@pytest.fixture
def sessions(make_household: MakeHousehold, design: SessionDesign) -> SessionStore:
    return make_household(design).start("a")


def act(held: Session) -> Session:
    """A write."""
    return held.with_action("acted", held.last_activity_at_s)


def test_a_session_is_found_and_another_is_not(sessions: SessionStore) -> None:
    sessions.create(session())
    assert sessions.load(KEY) == session()
    assert sessions.holds(KEY)
    assert sessions.load("other") is None
    assert sessions.update("other", act) is None
    assert not sessions.holds("other")
    assert not sessions.delete("other")
    assert sessions.ended("other") is None


@pytest.mark.parametrize("serialisation", list(Serialisation))
def test_every_field_survives(
    make_household: MakeHousehold, design: SessionDesign, serialisation: Serialisation
) -> None:
    sessions = make_household(design, serialisation=serialisation).start("a")
    sessions.create(full_session())
    found = sessions.load(full_session().key)
    assert found == full_session()
    changed = sessions.update(full_session().key, lambda held: replace(held, activity=("new",)))
    assert changed is not None
    assert changed.last_activity_at_s >= full_session().last_activity_at_s  # some designs count any use
    expected = replace(full_session(), activity=("new",), version=5)
    assert replace(changed, last_activity_at_s=expected.last_activity_at_s) == expected


def test_each_update_adds_one_to_the_version(sessions: SessionStore) -> None:
    sessions.create(session())
    for expected in (1, 2, 3):
        changed = sessions.update(KEY, act)
        assert changed is not None
        assert changed.version == expected
    found = sessions.load(KEY)
    assert found is not None
    assert (found.version, found.activity) == (3, ("acted",) * 3)


def test_a_change_that_refuses_changes_nothing_and_leaves_no_lock(sessions: SessionStore) -> None:
    def refuse(held: Session) -> Session:
        raise BadRequest("the cart is full")

    sessions.create(session())
    with pytest.raises(BadRequest):
        sessions.update(KEY, refuse)
    changed = sessions.update(KEY, act)
    assert changed is not None
    assert changed.version == 1


def test_a_session_that_was_logged_out_is_over(sessions: SessionStore) -> None:
    sessions.create(session())
    assert sessions.delete(KEY)
    assert not sessions.delete(KEY)
    assert sessions.load(KEY) is None
    assert sessions.update(KEY, act) is None
    assert sessions.ended(KEY) is Ended.LOGGED_OUT
    assert sessions.active() == 0


def test_an_unused_session_expires_and_is_not_called_lost(
    make_household: MakeHousehold, design: SessionDesign
) -> None:
    sessions = make_household(design, ttl_s=0.2).start("a")
    sessions.create(session())
    wait_until(lambda: not sessions.holds(KEY), "the session expired")
    assert sessions.load(KEY) is None
    assert sessions.update(KEY, act) is None
    assert sessions.ended(KEY) is Ended.EXPIRED
    wait_until(lambda: sessions.active() == 0, "nothing is left of it")


def test_use_renews_a_session_and_a_look_does_not(
    make_household: MakeHousehold, design: SessionDesign
) -> None:
    for ttl_s in (1.0, 3.0, 10.0):
        sessions = make_household(design, ttl_s=ttl_s).start("a")
        if use_until_the_unused_one_is_gone(sessions, f"{ttl_s}") < ttl_s / 2:
            assert sessions.load(f"read{ttl_s}") is not None
            assert sessions.load(f"written{ttl_s}") is not None
            return
    pytest.fail("this machine stands still for seconds")


def use_until_the_unused_one_is_gone(sessions: SessionStore, suffix: str) -> float:
    """Returns the longest time in seconds in which the used ones were not used."""
    for name in ("read", "written", "watched"):
        sessions.create(session(name + suffix))
    longest_s, last_s = 0.0, time.monotonic()
    while sessions.holds("watched" + suffix):
        sessions.load("read" + suffix)
        sessions.update("written" + suffix, act)
        now_s = time.monotonic()
        longest_s, last_s = max(longest_s, now_s - last_s), now_s
        time.sleep(0.02)
    return longest_s


def test_concurrent_writes_to_one_session_all_count(sessions: SessionStore) -> None:
    threads, writes = 8, 25
    sessions.create(session())

    def write() -> None:
        for _ in range(writes):
            assert sessions.update(KEY, act) is not None

    together([write] * threads)
    found = sessions.load(KEY)
    assert found is not None
    assert found.version == threads * writes


def test_the_sessions_of_a_replica_are_counted_where_they_live(
    sessions: SessionStore, design: SessionDesign
) -> None:
    for number in range(5):
        sessions.create(session(str(number)))
    assert sessions.active() == (0 if design is SessionDesign.EXTERNAL else 5)
    sessions.delete("0")
    assert sessions.active() == (0 if design is SessionDesign.EXTERNAL else 4)
