"""The closed forms, checked against exact arithmetic and against the simulation."""

import random
from dataclasses import replace
from fractions import Fraction
from math import comb
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statefall.records.terms import Balancer, Service, StateDesign
from statefall.results.expiry import share_expired
from statefall.results.judge import judge_run
from statefall.results.model import Prediction
from statefall.results.predict import COVERAGE, binomial_interval, predict
from tests.generated import examples
from tests.results.simulation import cell_plan, default_plan, simulate
from tests.results.stories import Story, plan

D, B = StateDesign, Balancer


def three_pods(sessions: int = 90) -> Story:
    return Story().pods("a", "b", "c").mark(sessions, a=30, b=30, c=30)


def predicted(story: Story, state: StateDesign, balancer: Balancer = B.STICKY, **more: object) -> Prediction:
    return predict(plan(state, balancer, **more), story.timeline()).lost


NOTHING = Prediction(0, 0.0, 0)
UNKNOWN = Prediction()
ALL = Prediction(90, 90.0, 90)
NO_VICTIMS = (
    "roll",
    "scale-out",
    "store-outage",
    "store-hang",
    "store-flush",
    "balancer-restart",
    "bad-roll",
)


# -- the interval -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=examples(60))
@given(trials=st.integers(1, 150), numerator=st.integers(1, 9))
def test_the_interval_is_central_and_no_wider_than_needed(trials: int, numerator: int) -> None:
    share = Fraction(numerator, 10)
    low, high = binomial_interval(trials, float(share))
    terms = [comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(trials + 1)]
    tail = Fraction(1 - COVERAGE) / 2
    slack = Fraction(1, 10**9)
    assert sum(terms[:low]) <= tail + slack
    assert sum(terms[: low + 1]) > tail - slack
    assert sum(terms[high + 1 :]) <= tail + slack
    assert sum(terms[high:]) > tail - slack


@pytest.mark.parametrize(
    ("trials", "share", "interval"),
    [(0, 0.5, (0, 0)), (90, 0.0, (0, 0)), (90, 1.0, (90, 90)), (100_000, 1 / 3, (32843, 33825))],
)
def test_the_interval_at_its_edges_and_for_many_sessions(
    trials: int, share: float, interval: tuple[int, int]
) -> None:
    low, high = binomial_interval(trials, share)
    assert (low, high) == pytest.approx(interval, abs=2)


# -- the designs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["kill", "delete", "delete-now", "scale-in"])
def test_sticky_memory_loses_the_share_of_the_replicas_hit(kind: str) -> None:
    one = predicted(three_pods().fault(kind, "a"), D.MEMORY)
    assert one.expected == 30.0
    assert one.low is not None
    assert one.high is not None
    assert one.low < 30 < one.high
    assert predicted(three_pods().fault(kind, "a", "b"), D.MEMORY).expected == 60.0


def test_a_scale_in_whose_victims_are_not_known_yet_counts_them() -> None:
    story = three_pods().fault("scale-in", count=2, told=False, observed_s=None, recovered_s=None)
    assert predicted(story, D.MEMORY).expected == 60.0


def test_a_replica_hit_twice_loses_its_sessions_once() -> None:
    story = three_pods().fault("kill", "a").fault("kill", "a", fault="f2", act_s=14.0, observed_s=14.1)
    assert predicted(story, D.MEMORY).expected == 30.0


def test_a_successor_holds_no_session_that_was_alive_at_the_mark() -> None:
    story = three_pods().fault("delete", "a").pod("d", "created", 10.5)
    story.fault("kill", "d", fault="f2", act_s=14.0, observed_s=14.1)
    assert predicted(story, D.MEMORY).expected == 30.0


@pytest.mark.parametrize("state", [D.MEMORY, D.HANDOFF, D.WRITE_THROUGH, D.EXTERNAL, D.REPLICATED])
def test_pauses_that_outlive_a_session_lose_it(state: StateDesign) -> None:
    short = predicted(three_pods(), state, session_ttl_s=4.0, between_uses_s=1.0, after_fault_s=15.0)
    # w = 19: exp(-4) (15 + 1) - exp(-8) (11^2 / 2 + 11) + exp(-12) (7^3 / 6 + 7^2 / 2) - ... = 0.26957
    assert short.expected == 24.3
    assert short.low is not None
    assert short.high is not None
    assert 9 <= short.low < 24.3 < short.high <= 41
    assert predicted(three_pods(), state, session_ttl_s=3600.0) == NOTHING


def test_expiry_has_a_closed_form_only_where_nothing_else_happens() -> None:
    brief: dict[str, Any] = {"session_ttl_s": 4.0}
    assert predicted(three_pods().fault("kill", "a"), D.MEMORY, **brief) == UNKNOWN
    assert predicted(three_pods(), D.CLIENT, **brief) == UNKNOWN
    assert predicted(three_pods(), D.MEMORY, B.PLAIN, **brief) == UNKNOWN
    assert predicted(three_pods(), D.EXTERNAL, B.PLAIN, **brief).expected == 21.6


@pytest.mark.parametrize(("ttl_s", "seconds"), [(3.0, 15.0), (1.0, 2.0), (5.0, 60.0), (0.2, 1.0), (4.0, 0.0)])
def test_the_share_that_expires_is_that_of_simulated_pauses(ttl_s: float, seconds: float) -> None:
    drawn = random.Random(5)
    users = 20_000

    def expires() -> bool:
        # From long before the mark on: at the mark the user is somewhere in a pause, as a real one is.
        now_s = -60.0
        while now_s < seconds:
            pause_s = drawn.expovariate(1.0)
            if pause_s > ttl_s and now_s + pause_s > 0.0 and now_s + ttl_s <= seconds:
                return True  # noticed after the mark, and over before the audit
            now_s += pause_s
        return False

    share = share_expired(plan(session_ttl_s=ttl_s, between_uses_s=1.0, after_fault_s=seconds))
    # Four standard deviations of a share of 20,000 are 0.014 at most.
    assert sum(expires() for _ in range(users)) / users == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize(
    ("ttl_s", "between_uses_s", "share"),
    [(1e-6, 1.0, 1.0), (1.0, 100.0, 1.0), (3600.0, 1.0, 0.0), (86_400.0, 0.001, 0.0), (0.02, 0.001, 5e-5)],
)
def test_the_share_that_expires_at_the_ends(ttl_s: float, between_uses_s: float, share: float) -> None:
    found = share_expired(plan(session_ttl_s=ttl_s, between_uses_s=between_uses_s, after_fault_s=25.0))
    assert found == pytest.approx(share, abs=2e-5)


@pytest.mark.parametrize(
    ("state", "balancer", "kind", "expected"),
    [
        (D.CLIENT, B.PLAIN, "kill", NOTHING),
        (D.CLIENT, B.STICKY, "store-outage", NOTHING),
        (D.MEMORY, B.STICKY, "roll", ALL),
        (D.MEMORY, B.STICKY, "scale-out", NOTHING),
        (D.MEMORY, B.STICKY, "store-outage", NOTHING),
        (D.MEMORY, B.STICKY, "store-flush", NOTHING),
        (D.EXTERNAL, B.STICKY, "store-flush", ALL),
        (D.WRITE_THROUGH, B.STICKY, "store-flush", UNKNOWN),
        (D.REPLICATED, B.STICKY, "store-flush", UNKNOWN),
        (D.MEMORY, B.STICKY, "balancer-restart", NOTHING),
        (D.MEMORY, B.STICKY, "bad-roll", NOTHING),
        (D.HANDOFF, B.STICKY, "delete", NOTHING),
        (D.HANDOFF, B.STICKY, "scale-in", NOTHING),
        (D.HANDOFF, B.STICKY, "roll", NOTHING),
        (D.HANDOFF, B.PLAIN, "delete", UNKNOWN),
        (D.HANDOFF, B.STICKY, "store-outage", NOTHING),
        (D.HANDOFF, B.PLAIN, "store-outage", UNKNOWN),
        (D.WRITE_THROUGH, B.PLAIN, "kill", NOTHING),
        (D.EXTERNAL, B.STICKY, "roll", NOTHING),
        (D.EXTERNAL, B.PLAIN, "store-outage", NOTHING),
        (D.EXTERNAL, B.PLAIN, "store-hang", NOTHING),
        (D.HANDOFF, B.PLAIN, "store-hang", UNKNOWN),
        (D.REPLICATED, B.STICKY, "kill", NOTHING),
        (D.REPLICATED, B.STICKY, "roll", NOTHING),
        (D.REPLICATED, B.STICKY, "store-outage", NOTHING),
        (D.REPLICATED, B.PLAIN, "store-outage", NOTHING),
        (D.REPLICATED, B.PLAIN, "kill", NOTHING),
    ],
)
def test_what_a_design_should_cost(
    state: StateDesign, balancer: Balancer, kind: str, expected: Prediction
) -> None:
    victims = () if kind in NO_VICTIMS else ("a",)
    story = three_pods().fault(kind, *victims, count=len(victims) or 1)
    assert predicted(story, state, balancer) == expected


def test_handoff_loses_as_memory_when_it_is_killed() -> None:
    assert predicted(three_pods().fault("kill", "a"), D.HANDOFF).expected == 30.0


def test_one_backup_copy_says_nothing_of_two_replicas_at_once() -> None:
    assert predicted(three_pods().fault("kill", "a", "b"), D.REPLICATED) == UNKNOWN


def test_an_outage_together_with_another_fault_has_no_closed_form() -> None:
    story = three_pods().fault("kill", "a").fault("store-outage", count=0, fault="f2", act_s=12.0)
    assert predicted(story, D.EXTERNAL) == UNKNOWN


def test_affinity_by_address_takes_none_or_all() -> None:
    lost = predicted(three_pods().fault("kill", "a"), D.MEMORY, B.CLIENT_IP)
    assert (lost.low, lost.high) == (0, 90)


def test_without_a_mark_nothing_is_predicted() -> None:
    assert predicted(Story().pods("a"), D.MEMORY) == UNKNOWN


def test_plain_memory_loses_more_the_longer_it_goes_on_and_less_with_reloads() -> None:
    story = three_pods().fault("kill", "a")

    def expected(**more: object) -> float:
        return predicted(story, D.MEMORY, B.PLAIN, **more).expected or 0.0

    assert expected(after_fault_s=0.0) == pytest.approx(30.0)
    assert expected(after_fault_s=1.0) < expected(after_fault_s=5.0) < expected(after_fault_s=30.0)
    assert expected(after_fault_s=30.0) == pytest.approx(90.0, abs=0.1)
    assert expected(after_fault_s=2.0, max_reloads=4) < expected(after_fault_s=2.0, max_reloads=0)


def test_plain_memory_on_two_replicas_may_find_its_session_by_reloading_in_turn() -> None:
    """Round robin over two leads a reload to the other one, unless another user's request comes between."""
    scaled_in = predicted(three_pods().fault("scale-in", "a"), D.MEMORY, B.PLAIN, after_fault_s=20.0)
    deleted = predicted(three_pods().fault("delete", "a"), D.MEMORY, B.PLAIN, after_fault_s=20.0)
    assert scaled_in.low is not None
    assert deleted.low is not None
    assert scaled_in.low < 30  # all whose home stays may live
    assert scaled_in.high == 90
    assert deleted.low > 85


def test_the_basis_is_said_in_words() -> None:
    basis = predict(plan(), three_pods().fault("kill", "a").timeline()).basis
    assert "90 sessions x 1/3 replicas" in basis
    assert "99.9%" in basis


# -- against what happens ---------------------------------------------------------------------------


@pytest.mark.parametrize("balancer", [B.STICKY, B.PLAIN])
def test_simulated_losses_lie_in_the_predicted_interval(balancer: Balancer) -> None:
    cell = cell_plan("c1-memory", Service.STATEFUL, balancer, gates=())
    one = replace(default_plan(), cells=(cell,))
    for seed in range(12):
        run = simulate(one, seed=seed)
        summary = judge_run(one, run.events, run.loads).summary
        lost, predicted_lost = summary.cells[0].sessions.lost, summary.cells[0].predicted_lost
        assert predicted_lost.low is not None
        assert predicted_lost.high is not None
        assert predicted_lost.low <= lost <= predicted_lost.high
