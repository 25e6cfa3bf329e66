"""Whom a replica knows after it stood still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.metrics import Metrics
from services.sessions.replication.members import BEAT_S, FORGET_S, Members
from services.store import Store
from tests.services.backing import Valkey


@pytest.fixture
def store(valkey: Valkey) -> Iterator[Store]:
    found = Store(valkey.url, Metrics("pod", "boot"), connections=2)
    yield found
    found.close()


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def beating(members: Members, clock: Clock, for_s: float) -> None:
    """Time passes, and the process runs."""
    end_s = clock.now_s + for_s
    while clock.now_s < end_s:
        clock.now_s += BEAT_S
        members.beat()


def two(store: Store) -> tuple[Members, Members, Clock]:
    """Two replicas who know each other, and the clock of the first."""
    clock = Clock()
    first, second = Members("boot-a", "pod-a", store, clock), Members("boot-b", "pod-b", store)
    second.sign("127.0.0.1:2", draining=False)
    first.sign("127.0.0.1:1", draining=False)
    assert [member.pod for member in first.known()] == ["pod-b"]
    return first, second, clock


def test_who_is_not_seen_any_more_is_forgotten(store: Store) -> None:
    first, _, clock = two(store)
    beating(first, clock, FORGET_S + 1.0)
    assert first.steady()
    assert first.known() == []


def test_whoever_stood_still_still_knows_whom_to_ask(store: Store) -> None:
    first, _, clock = two(store)
    clock.now_s += FORGET_S + 1.0  # it did not run
    first.beat()
    assert not first.steady()
    assert [member.pod for member in first.known()] == ["pod-b"]
    beating(first, clock, FORGET_S + 1.0)
    assert first.known() == [], "they could have been seen since"


def test_who_came_meanwhile_is_known_by_the_register(store: Store) -> None:
    first, _, clock = two(store)
    clock.now_s += FORGET_S + 1.0
    Members("boot-c", "pod-c", store).sign("127.0.0.1:3", draining=False)
    first.beat()
    first.sign("127.0.0.1:1", draining=False)
    assert sorted(member.pod for member in first.known()) == ["pod-b", "pod-c"]
