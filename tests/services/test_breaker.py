"""The circuit breaker: opens after failures in a row, lets one trial through, closes on a success."""

from __future__ import annotations

import pytest

from services.breaker import Breaker
from tests.services.backing import together
from tests.services.test_memory_sessions import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, pause_s=1.0, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_a_few_failures_do_not_open_it(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.admit()
    breaker.succeeded()
    fail(breaker, 2)  # not in a row with the first two
    assert not breaker.open
    assert breaker.admit()


def test_it_refuses_at_once_while_it_is_open(breaker: Breaker) -> None:
    fail(breaker, 3)
    assert breaker.open
    assert not breaker.admit()


def test_after_a_pause_one_call_and_no_more_may_try(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 1.0
    assert together([breaker.admit] * 16).count(True) == 1
    breaker.failed()
    assert not breaker.admit()


def test_a_trial_that_is_never_heard_of_again_does_not_keep_it_shut(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 1.0
    assert breaker.admit()
    clock.now += 1.0
    assert breaker.admit()


def test_a_successful_trial_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 7)
    clock.now += 1.0
    assert breaker.admit()
    breaker.succeeded()
    assert not breaker.open
    assert all(breaker.admit() for _ in range(10))
