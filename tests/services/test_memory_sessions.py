"""State design `memory`: exact counts, honest expiry, no lost write."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.refusals import BadRequest
from services.sessions.memory import MemorySessions
from services.sessions.protocol import Ended, SessionStore
from services.sessions.session import Session
from services.sessions.sweeper import Sweeper
from services.shop.accounts import Preferences
from tests.services.backing import wait_until

TTL_S = 60.0


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> SessionStore:
    return MemorySessions(TTL_S, clock)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Let threads interleave a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


def session(key: str = "k", user_id: int = 1) -> Session:
    return Session(key, user_id, "Ada", ("shop",), {"theme": "dark"}, 0, 0.0, 0.0)


def test_a_session_is_found_as_it_was_kept(sessions: SessionStore) -> None:
    sessions.create(session())
    assert sessions.load("k") == session()
    assert sessions.load("other") is None
    assert sessions.update("other", lambda held: held) is None


def test_each_update_adds_one_to_the_version(sessions: SessionStore) -> None:
    sessions.create(session())
    for expected in (1, 2):
        changed = sessions.update("k", lambda held: held.with_action("x", 5.0))
        assert changed is not None
        assert changed.version == expected
    found = sessions.load("k")
    assert found is not None
    assert found == changed
    assert found.activity == ("x", "x")
    assert found.last_activity_at_s == 5.0


def test_a_change_cannot_set_the_version(sessions: SessionStore) -> None:
    sessions.create(session())
    changed = sessions.update("k", lambda held: replace(held, version=77))
    assert changed is not None
    assert changed.version == 1


def test_a_change_that_refuses_changes_nothing(sessions: SessionStore) -> None:
    def refuse(held: Session) -> Session:
        raise BadRequest("the cart is full")

    sessions.create(session())
    with pytest.raises(BadRequest):
        sessions.update("k", refuse)
    assert sessions.load("k") == session()
    assert sessions.update("k", lambda held: held) is not None  # and no lock was left behind


def test_older_preferences_do_not_replace_newer_ones() -> None:
    newer = session().with_preferences(Preferences({"theme": "light"}, 2))
    assert newer.preferences == {"theme": "light"}
    assert newer.with_preferences(Preferences({"theme": "neon"}, 1)) == newer


def test_an_unused_session_expires(sessions: SessionStore, clock: Clock) -> None:
    sessions.create(session())
    clock.now += TTL_S - 1
    assert sessions.active() == 1
    clock.now += 1
    assert sessions.active() == 0
    assert sessions.load("k") is None
    assert sessions.update("k", lambda held: held) is None
    assert sessions.ended("k") is Ended.EXPIRED


def test_use_renews_a_session(sessions: SessionStore, clock: Clock) -> None:
    for key in ("read", "written", "unused"):
        sessions.create(session(key))
    clock.now += TTL_S - 1
    sessions.load("read")
    sessions.update("written", lambda held: held)
    clock.now += TTL_S - 1
    assert sessions.active() == 2
    assert sessions.load("unused") is None
    assert sessions.load("read") is not None
    assert sessions.load("written") is not None


def test_sweeping_removes_what_has_expired_and_only_that(sessions: SessionStore, clock: Clock) -> None:
    for number in range(10):
        sessions.create(session(str(number)))
        clock.now += 1
    clock.now += TTL_S - 6
    assert sessions.sweep() == 5
    assert sessions.sweep() == 0
    assert [sessions.load(str(number)) is not None for number in range(10)] == [False] * 5 + [True] * 5


def test_a_deleted_session_was_logged_out(sessions: SessionStore) -> None:
    sessions.create(session())
    assert sessions.delete("k")
    assert not sessions.delete("k")
    assert sessions.load("k") is None
    assert sessions.ended("k") is Ended.LOGGED_OUT
    assert sessions.ended("other") is None


def test_memory_is_bounded_for_ended_sessions(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sessions.memory.REMEMBERED_ENDS", 3)
    sessions = MemorySessions(TTL_S, clock)
    for key in "abcde":
        sessions.create(session(key))
        sessions.delete(key)
    assert [sessions.ended(key) for key in "abcde"] == [None, None, *[Ended.LOGGED_OUT] * 3]


@pytest.mark.usefixtures("frequent_switches")
def test_concurrent_writes_to_one_session_all_count(sessions: SessionStore) -> None:
    sessions.create(session())
    seen: list[list[int]] = [[] for _ in range(8)]

    def write(versions: list[int]) -> None:
        for _ in range(500):
            changed = sessions.update("k", lambda held: held.with_action("x", 0.0))
            assert changed is not None
            versions.append(changed.version)

    threads = [threading.Thread(target=write, args=(versions,)) for versions in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(version for versions in seen for version in versions) == [*range(1, 4001)]
    assert all(versions == sorted(versions) for versions in seen)


def test_the_sweeper_sweeps_until_it_is_closed(sessions: SessionStore, clock: Clock) -> None:
    sessions.create(session())
    clock.now += TTL_S
    sweeper = Sweeper(sessions, interval_s=0.01)
    sweeper.open()
    wait_until(lambda: sessions.ended("k") is Ended.EXPIRED, "the session was swept")
    sweeper.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "session-sweeper"]
