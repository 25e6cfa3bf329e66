"""The rules of owners, copies and epochs, without any network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.sessions.protocol import Ended
from services.sessions.replication.holdings import Holdings, Role, Standing
from services.sessions.replication.members import Member, by_rendezvous
from services.sessions.replication.search import newest_copy
from services.sessions.session import Kept
from tests.services.sessions.designs import session
from tests.services.test_memory_sessions import Clock

TTL_S = 60.0
KEY = session().key


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def here(clock: Clock) -> Holdings:
    return Holdings("here", TTL_S, clock)


def at(epoch: int, version: int, left_s: float = TTL_S) -> Kept:
    return Kept(replace(session(), epoch=epoch, version=version), left_s)


def rank(holdings: Holdings) -> tuple[Role, int, int]:
    standing = holdings.standing(KEY)
    return standing.role, standing.epoch, standing.version


def test_a_change_is_the_next_version_of_what_is_owned_or_nothing(here: Holdings) -> None:
    here.own(at(1, 3), "b")
    assert not here.commit(at(1, 5).session, "b")
    assert not here.commit(at(0, 4).session, "b")
    assert here.commit(at(1, 4).session, "b")
    assert not here.commit(at(1, 4).session, "b")
    assert rank(here) == (Role.OWNER, 1, 4)


def test_what_was_given_away_stays_as_the_copy_of_the_new_owner(here: Holdings) -> None:
    here.own(at(1, 3), "b")
    given = here.release(KEY, "c", 0)
    assert given is not None
    assert (given[0].session.epoch, given[0].session.version, given[1]) == (2, 3, "b")
    assert here.standing(KEY) == Standing(Role.COPY, 2, 3, "c")
    assert here.owned(KEY) is None
    assert here.release(KEY, "d", 0) is None
    assert not here.commit(at(1, 4).session, "b")  # a write that was under way


def test_an_owner_that_was_replaced_unnoticed_gives_nothing_away(here: Holdings) -> None:
    here.own(at(1, 3), "b")
    assert here.release(KEY, "c", 2) is None
    assert rank(here)[0] is Role.NOTHING


@pytest.mark.parametrize(
    ("epoch", "version", "kept", "now"),
    [
        (2, 6, True, (2, 6)),  # newer
        (2, 5, True, (2, 5)),  # the same again
        (2, 4, True, (2, 5)),  # overtaken by a later one
        (1, 9, False, (2, 5)),  # of an owner that was replaced
        (3, 1, True, (3, 1)),  # of the next owner
    ],
)
def test_copies_follow_their_owner(
    here: Holdings, epoch: int, version: int, kept: bool, now: tuple[int, int]
) -> None:
    here.keep(at(2, 5), "b")
    assert here.keep(at(epoch, version), "c") is kept
    assert rank(here) == (Role.COPY, *now)


def test_an_owner_meets_its_successor(here: Holdings) -> None:
    here.own(at(2, 5), None)
    assert not here.keep(at(2, 9), "b")
    assert rank(here) == (Role.OWNER, 2, 5)
    assert here.keep(at(3, 5), "b")
    assert rank(here) == (Role.COPY, 3, 5)


def test_a_copy_is_promoted_once(here: Holdings) -> None:
    here.keep(at(1, 5), "b")
    assert here.promote(KEY, "c", (1, 4)) is None
    promoted = here.promote(KEY, "c", (1, 5))
    assert promoted is not None
    assert promoted.session.epoch == 2
    assert here.promote(KEY, "d", (1, 5)) is None


def test_an_end_is_newer_than_any_version_of_its_epoch(here: Holdings) -> None:
    here.own(at(1, 5), "b")
    assert here.finish(KEY, Ended.LOGGED_OUT)
    assert not here.keep(at(1, 6), "b")
    assert here.standing(KEY).rank > Standing(Role.COPY, 1, 10**9).rank
    assert here.standing(KEY).rank < Standing(Role.COPY, 2, 0).rank
    assert here.ended(KEY) is Ended.LOGGED_OUT
    assert here.ended(KEY, at_least_epoch=2) is None


def test_only_an_owner_says_that_a_session_expired(here: Holdings, clock: Clock) -> None:
    here.own(at(1, 5), None)
    here.keep(Kept(replace(session("copied"), epoch=1), TTL_S), "b")
    clock.now += TTL_S
    assert here.owned(KEY) is None
    assert here.ended(KEY) is Ended.EXPIRED
    assert here.standing("copied").role is Role.NOTHING
    assert here.ended("copied") is None


def test_a_copy_lives_as_long_as_its_owner_says(here: Holdings, clock: Clock) -> None:
    here.keep(at(1, 5), "b")
    clock.now += TTL_S - 1
    assert here.renew_copy(KEY, (1, 5), TTL_S) is Role.COPY
    clock.now += TTL_S - 1
    assert rank(here) == (Role.COPY, 1, 5)


def test_a_renewal_finds_out_what_is_missing_or_superseded(here: Holdings) -> None:
    assert here.renew_copy(KEY, (1, 5), TTL_S) is Role.NOTHING
    here.keep(at(1, 4), "b")
    assert here.renew_copy(KEY, (1, 5), TTL_S) is Role.NOTHING
    here.keep(at(2, 4), "c")
    assert here.renew_copy(KEY, (1, 5), TTL_S) is Role.OWNER


def test_orphans_are_copies_without_a_living_owner(here: Holdings) -> None:
    for owner in ("b", "c"):
        here.keep(Kept(session(owner), TTL_S), owner)
    assert here.orphans(["b", "c"]) == {}
    assert here.orphans(["b"]) == {"c": (0, 0)}


def test_counts_are_of_what_lives(here: Holdings, clock: Clock) -> None:
    here.own(at(0, 0), None)
    here.keep(Kept(session("copied"), TTL_S + 5), "b")
    assert here.counts() == (1, 1)
    clock.now += TTL_S
    assert here.counts() == (0, 1)
    clock.now += 5
    assert here.sweep() == 1
    assert here.counts() == (0, 0)


def test_everybody_chooses_the_same_copy() -> None:
    standings = [
        ("b", Standing(Role.COPY, 1, 5)),
        ("a", Standing(Role.COPY, 1, 5)),
        ("c", Standing(Role.COPY, 1, 4)),
        ("d", Standing(Role.NOTHING)),
    ]
    assert newest_copy(standings) == newest_copy(standings[::-1]) == "a"
    assert newest_copy([*standings, ("e", Standing(Role.OWNER, 2, 5))]) is None
    assert newest_copy([("d", Standing(Role.NOTHING))]) is None


def test_when_a_replica_leaves_only_its_own_keys_go_elsewhere() -> None:
    members = [Member(boot, boot, "host:1") for boot in "abcd"]
    first = {str(key): by_rendezvous(str(key), members)[0].boot for key in range(400)}
    assert {min(list(first.values()).count(boot) for boot in "abcd") > 60} == {True}
    without = {key: by_rendezvous(key, members[:3])[0].boot for key in first}
    assert {key for key in first if first[key] != without[key]} == {key for key in first if first[key] == "d"}
