"""A replica that stood still for a while: what is predicted of it, and what its losses are called."""

from __future__ import annotations

import pytest

from statefall.records.causes import Cause
from statefall.records.terms import Balancer, StateDesign
from statefall.results.attribute import attribute
from statefall.results.model import Prediction
from statefall.results.predict import binomial_interval, predict
from tests.results.stories import Story, plan


def paused(*victims: str) -> Story:
    """Pods that stand still from second 10 to 15."""
    story = Story().pods("a", "b", "c").mark(90, a=30, b=30, c=30)
    return story.fault("pause", *victims, recovered_s=16.0)


def predicted(story: Story, state: StateDesign, balancer: Balancer = Balancer.STICKY) -> Prediction:
    return predict(plan(state, balancer), story.timeline()).lost


@pytest.mark.parametrize("state", [StateDesign.MEMORY, StateDesign.HANDOFF])
def test_sessions_in_a_paused_memory_are_lost_at_most_as_if_it_had_died(state: StateDesign) -> None:
    assert predicted(paused("a"), state) == Prediction(0, None, binomial_interval(90, 1 / 3)[1])
    assert predicted(paused("a", "b"), state).high == binomial_interval(90, 2 / 3)[1]


@pytest.mark.parametrize("state", [StateDesign.CLIENT, StateDesign.EXTERNAL, StateDesign.WRITE_THROUGH])
def test_designs_that_need_no_single_replica_lose_nothing(state: StateDesign) -> None:
    assert predicted(paused("a"), state) == Prediction(0, 0.0, 0)


def test_where_no_closed_form_is_known_none_is_claimed() -> None:
    assert predicted(paused("a"), StateDesign.MEMORY, Balancer.PLAIN) == Prediction()
    with_a_kill = paused("a").fault("kill", "b", fault="f2", act_s=17.0, observed_s=17.1, recovered_s=19.0)
    assert predicted(with_a_kill, StateDesign.MEMORY) == Prediction()


def test_a_fault_of_another_version_has_no_prediction() -> None:
    story = Story().pods("a", "b", "c").mark(90, a=30, b=30, c=30).fault("earthquake", "a")
    forecast = predict(plan(StateDesign.EXTERNAL, Balancer.STICKY), story.timeline())
    assert forecast.lost == Prediction()
    assert "earthquake" in forecast.basis


def test_a_session_that_was_led_away_from_a_paused_home_is_rerouted() -> None:
    timeline = paused("a").loss("a", "a1", 14.0, ("b", "b1")).timeline()
    assert attribute(timeline.losses[-1], timeline, StateDesign.MEMORY) is Cause.REROUTED
