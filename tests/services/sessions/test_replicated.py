"""State design `replicated`: one replica at a time may go, in whatever way, and nothing goes with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import httpx
import pytest

from services.refusals import Unavailable
from services.sessions.protocol import Ended, SessionStore
from services.sessions.replicated import ReplicatedSessions
from services.sessions.replication.wire import MAC_HEADER, Call, Message, Peers, pack
from services.sessions.session import Kept
from services.settings import SessionDesign
from tests.services.backing import DEADLINE_S, Valkey, wait_until
from tests.services.sessions.conftest import MakeHousehold
from tests.services.sessions.designs import STATE_KEY, Household, session
from tests.services.sessions.test_every_design import act, use_until_the_unused_one_is_gone
from tests.services.sessions.test_shared_designs import versions

KEY = session().key


@pytest.fixture
def house(make_household: MakeHousehold) -> Household:
    return make_household(SessionDesign.REPLICATED)


def total(house: Household, name: str) -> float:
    """The sum of a figure over the running replicas."""
    return sum(house.sample(boot, name) or 0.0 for boot in house.sessions)


def wait_until_safe(house: Household, sessions: int) -> None:
    """Every session has an owner and a copy on another replica."""

    def safe() -> bool:
        owned = sum(replica.active() for replica in house.sessions.values())
        return owned == sessions and total(house, "statefall_sessions_under_replicated") == 0

    wait_until(safe, f"all {sessions} sessions have an owner and a copy")


def wait_until_known(replica: SessionStore, *, held: bool) -> None:
    """The replica says of the session that it is held, or not."""

    def known() -> bool:
        try:
            return replica.holds(KEY) is held
        except Unavailable:
            return False

    wait_until(known, f"the session is {'' if held else 'not '}held")


def test_a_write_is_on_another_replica_before_it_is_answered(house: Household) -> None:
    a, _ = house.start("a"), house.start("b")
    a.create(session())
    for version in (1, 2, 3):
        assert versions(a.update(KEY, act)) == version
    house.kill("a")
    found = house.sessions["b"].load(KEY)
    assert versions(found) == 3
    assert found is not None
    assert found.epoch == 1


def test_replicas_can_be_killed_one_after_the_other(house: Household) -> None:
    for boot in ("a", "b", "c"):
        house.start(boot)
    for number in range(60):
        replica = house.sessions["abc"[number % 3]]
        replica.create(session(str(number), number))
        replica.update(str(number), act)
    for dead, successor in (("a", "d"), ("b", "e"), ("c", "f"), ("d", "g")):
        house.kill(dead)
        house.start(successor)
        wait_until_safe(house, 60)
    for number in range(60):
        found = house.sessions["efg"[number % 3]].load(str(number))
        assert versions(found) == 1
        assert found is not None
        assert found.user_id == number


def test_a_pod_that_restarts_in_place_with_an_empty_memory_finds_its_sessions(house: Household) -> None:
    first, _ = house.start("first", pod="pod-1"), house.start("b")
    first.create(session())
    first.update(KEY, act)
    house.kill("first")
    assert versions(house.start("second", pod="pod-1").load(KEY)) == 1


def test_a_rolling_update_that_touches_no_session_loses_none(house: Household) -> None:
    for boot in ("a1", "b1", "c1"):
        house.start(boot)
    for number in range(150):
        house.sessions["abc"[number % 3] + "1"].create(session(str(number), number))
    for pod in "abc":  # no waiting in between: what ends makes its sessions safe before it goes
        house.start(f"{pod}2")
        house.end(f"{pod}1")
    for number in range(150):
        assert house.sessions["abc"[number % 3] + "2"].load(str(number)) is not None


def test_what_an_earlier_owner_still_has_is_never_served_again(house: Household) -> None:
    a, b = house.start("a"), house.start("b")
    a.create(session())
    a.update(KEY, act)
    assert isinstance(a, ReplicatedSessions)
    assert a._server is not None
    a._server.close()  # nobody reaches it, so it is taken for dead; and it knows nothing of that
    moved = b.update(KEY, act)
    assert versions(moved) == 2
    assert moved is not None
    assert versions(a.load(KEY, moved.epoch)) == 2


def test_a_write_of_an_earlier_owner_is_done_on_the_newest_version(house: Household) -> None:
    a, b = house.start("a"), house.start("b")
    a.create(session())
    assert isinstance(a, ReplicatedSessions)
    assert a._server is not None
    a._server.close()
    assert versions(b.update(KEY, act)) == 1
    assert versions(a.update(KEY, act)) == 2  # its client's cookie is old and does not tell


def on_its_way_to(replica: ReplicatedSessions, monkeypatch: pytest.MonkeyPatch) -> Event:
    """Whatever it takes over from now on has arrived only when this event is set."""
    arrive, own = Event(), replica._holdings.own

    def late(kept: Kept, backup: str | None) -> None:
        assert arrive.wait(DEADLINE_S)
        own(kept, backup)

    monkeypatch.setattr(replica._holdings, "own", late)
    return arrive


def test_a_session_on_its_way_is_waited_for_and_not_promoted_from_its_copy(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = house.start("a"), house.start("b"), house.start("c")
    c.create(session())
    assert isinstance(b, ReplicatedSessions)
    arrive = on_its_way_to(b, monkeypatch)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(b.update, KEY, act)
        wait_until(lambda: c.active() == 0, "c has given it away")
        with pytest.raises(Unavailable, match="moving"):  # longer on its way than anybody waits
            a.load(KEY)
        second = threads.submit(a.update, KEY, act)
        time.sleep(0.1)  # a asks meanwhile; it must not have decided anything
        assert not second.done()
        arrive.set()
        one, two = first.result(), second.result()
    assert one is not None
    assert two is not None
    assert (one.version, two.version) == (session().version + 1, session().version + 2)
    assert (a.active(), b.active(), c.active()) == (1, 0, 0)


def test_a_session_that_never_arrived_is_taken_from_its_copy(house: Household) -> None:
    a, b, c = house.start("a"), house.start("b"), house.start("c")
    c.create(session())
    assert isinstance(c, ReplicatedSessions)
    assert c._holdings.release(KEY, "b", 0) is not None  # and the answer was lost
    found = a.load(KEY)
    assert found is not None
    assert found.version == session().version
    assert (a.active(), b.active(), c.active()) == (1, 0, 0)


def asked_until_known(replica: SessionStore, key: str) -> object:
    """As a client asks again: on a busy machine others may not answer in time."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            return replica.load(key)
        except Unavailable:
            assert time.monotonic() < deadline_s, "it is never found out"


def test_several_that_search_for_what_nobody_has_find_that_out(house: Household) -> None:
    replicas = [house.start(name) for name in ("a", "b", "c")]
    with ThreadPoolExecutor(3) as threads:
        for _ in range(20):
            together = [threads.submit(asked_until_known, replica, "never-was") for replica in replicas]
            assert [one.result() for one in together] == [None, None, None]


def test_a_copy_from_before_the_clients_last_move_is_not_served(house: Household) -> None:
    a, _ = house.start("a"), house.start("b")
    a.create(session())
    house.kill("a")
    assert house.sessions["b"].load(KEY, epoch=7) is None


def test_a_session_without_a_copy_is_answered_counted_and_copied_later(house: Household) -> None:
    a = house.start("a")
    a.create(session())
    assert versions(a.update(KEY, act)) == 1
    assert house.sample("a", "statefall_under_replicated_total") == 2
    assert house.sample("a", "statefall_sessions_under_replicated") == 1
    b = house.start("b")
    wait_until_safe(house, 1)
    house.kill("a")
    assert versions(b.load(KEY)) == 1


def test_the_store_is_not_needed_once_the_replicas_know_each_other(house: Household, valkey: Valkey) -> None:
    a, _, _ = house.start("a"), house.start("b"), house.start("c")
    a.create(session())
    valkey.stop()
    assert versions(a.update(KEY, act)) == 1
    house.kill("a")
    for boot in ("b", "c"):
        assert versions(house.sessions[boot].load(KEY)) == 1
    wait_until_safe(house, 1)


def test_a_replica_that_knows_nobody_yet_calls_nothing_lost(house: Household, valkey: Valkey) -> None:
    valkey.stop()
    sessions = house.start_alone("a")
    assert isinstance(sessions, ReplicatedSessions)
    with pytest.raises(Unavailable, match="does not know the others"):
        sessions.load(KEY)
    with pytest.raises(Unavailable):
        sessions.check()


def test_a_logout_outlives_its_replica(house: Household) -> None:
    a, b, _ = house.start("a"), house.start("b"), house.start("c")
    a.create(session())
    assert b.delete(KEY)
    house.kill("b")
    assert a.load(KEY) is None
    assert a.ended(KEY) is Ended.LOGGED_OUT


def test_copies_live_as_long_as_their_sessions_are_read(make_household: MakeHousehold) -> None:
    for ttl_s in (2.0, 8.0, 20.0):
        house = make_household(SessionDesign.REPLICATED, ttl_s=ttl_s)
        a, b = house.start(f"a{ttl_s}"), house.start(f"b{ttl_s}")
        if use_until_the_unused_one_is_gone(a, "") < ttl_s / 4:
            house.kill(f"a{ttl_s}")
            assert b.load("read") is not None
            assert b.load("written") is not None
            assert b.load("watched") is None
            return
        house.close()
    pytest.fail("this machine stands still for seconds")


def test_a_session_that_moved_is_still_held_by_all_and_stays_where_it_is(house: Household) -> None:
    a, b, c = house.start("a"), house.start("b"), house.start("c")
    a.create(session())
    for owner in (b, c):  # so that a has nothing of it left, not even the copy
        assert owner.load(KEY) is not None
    wait_until(lambda: total(house, "statefall_sessions_backed_up") == 1, "copies of no use are forgotten")
    for replica in (a, b, c):
        assert replica.holds(KEY)
        assert replica.moved(KEY) is (replica is not c)
    assert (a.active(), b.active(), c.active()) == (0, 0, 1)
    house.kill("c")
    for replica in (a, b):
        wait_until_known(replica, held=True)  # its copy lives


def test_the_end_of_a_session_is_heard_of_where_it_once_was(house: Household) -> None:
    a, b, c = house.start("a"), house.start("b"), house.start("c")
    a.create(session())
    for owner in (b, c):
        assert owner.load(KEY) is not None
    assert c.delete(KEY)
    for replica in (a, b, c):
        wait_until_known(replica, held=False)
        assert replica.ended(KEY) is Ended.LOGGED_OUT


def test_peers_must_prove_that_they_are_peers(house: Household) -> None:
    a = house.start("a")
    assert isinstance(a, ReplicatedSessions)
    assert a._server is not None
    a.create(session())
    url, body = f"http://127.0.0.1:{a._server.port}/peer/", pack({"key": KEY, "taker": "x", "rank": None})
    stranger = Peers(("some other key that is long enough, too",))
    genuine = Peers((STATE_KEY,)).mac("/peer/ping", body)
    for mac in ("", "nonsense", stranger.mac("/peer/take", body), genuine):
        answer = httpx.post(f"{url}take", content=body, headers={MAC_HEADER: mac}, trust_env=False)
        assert answer.status_code == 403
    assert a.holds(KEY)


def test_a_message_has_a_limit(house: Household) -> None:
    a = house.start("a")
    assert isinstance(a, ReplicatedSessions)
    assert a._server is not None
    with pytest.raises(httpx.HTTPError):  # refused before it is read
        httpx.post(
            f"http://127.0.0.1:{a._server.port}/peer/ping", content=bytes(20_000_000), trust_env=False
        ).raise_for_status()


@pytest.mark.parametrize("dies", [False, True], ids=["falls silent", "dies"])
def test_a_write_whose_copy_was_kept_without_an_answer_is_not_applied_again(
    house: Household, dies: bool
) -> None:
    """The next replica to be asked has gone on from that copy meanwhile."""
    a, b, c = (_replicated(house.start(boot)) for boot in "abc")
    a.create(session())
    holder, other = (b, c) if a._holdings.backup(KEY) == "b" else (c, b)
    assert holder._server is not None
    peers, told = holder._server._server, threading.Event()
    keep = peers.handlers[Call.COPY]

    def keep_without_an_answer(message: Message) -> Mapping[str, Any]:
        answer = keep(message)
        other._members.strike("a")
        assert versions(other.load(KEY)) == 1
        if dies:
            house.kill(holder._boot)
        else:
            told.wait(DEADLINE_S)
        return answer

    peers.handlers = {**peers.handlers, Call.COPY: keep_without_an_answer}
    try:
        with pytest.raises(Unavailable, match="not known"):
            a.update(KEY, act)
    finally:
        told.set()
    found = a.load(KEY)
    assert found is not None
    assert (found.version, len(found.activity)) == (1, 1), "applied once"


def _replicated(sessions: SessionStore) -> ReplicatedSessions:
    assert isinstance(sessions, ReplicatedSessions)
    return sessions
