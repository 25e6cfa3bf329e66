"""The narrow interval: the sessions whose home was hit, counted at the mark."""

from __future__ import annotations

from typing import Any

import pytest

from statefall.records.terms import Balancer, StateDesign
from statefall.results.homes import predict_from_homes
from statefall.results.model import Prediction
from statefall.results.predict import predict
from tests.results.stories import Story, plan


def narrow(story: Story, **of_plan: Any) -> Prediction:
    cell, timeline = plan(**of_plan), story.timeline()
    return predict_from_homes(cell, timeline, predict(cell, timeline)).lost


def marked(kind: str, *victims: str, **more: Any) -> Story:
    story = Story().pods("a", "b", "c").fault(kind, *victims, **more)
    return story.mark(99, **{"a/a1": 20, "b/b1": 39, "c/c1": 40})


@pytest.mark.parametrize("kind", ["kill", "delete", "scale-in"])
def test_in_memory_and_sticky_the_victims_sessions_are_lost(kind: str) -> None:
    assert narrow(marked(kind, "a")) == Prediction(20, 20.0, 20)
    assert narrow(marked(kind, "b", "c")) == Prediction(79, 79.0, 79)


def test_it_is_narrower_than_the_prediction_without_homes() -> None:
    cell, timeline = plan(), marked("kill", "a").timeline()
    wide = predict(cell, timeline).lost
    assert (wide.low, wide.high) == (18, 49)


def test_by_address_more_may_be_lost_where_addresses_move() -> None:
    assert narrow(marked("kill", "a"), balancer=Balancer.CLIENT_IP) == Prediction(20, 20.0, 99)


def test_a_replica_that_stands_still_may_cost_what_it_holds_and_no_more() -> None:
    assert narrow(marked("pause", "a")) == Prediction(0, None, 20)


def test_a_graceful_handoff_costs_nothing() -> None:
    assert narrow(marked("delete", "a"), state=StateDesign.HANDOFF) == Prediction(0, 0.0, 0)
    assert narrow(marked("kill", "a"), state=StateDesign.HANDOFF) == Prediction(20, 20.0, 20)


def test_where_homes_decide_nothing_there_is_no_second_interval() -> None:
    assert narrow(marked("kill", "a"), balancer=Balancer.PLAIN) == Prediction()
    assert narrow(marked("scale-in", count=1)) == Prediction()


def test_where_nobody_says_who_answered_no_home_is_known() -> None:
    story = Story().pods("a", "b", "c").fault("kill", "a").mark(99, **{"/": 99})
    assert narrow(story) == Prediction()
