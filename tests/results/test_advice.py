"""The decision framework: every point, both marks, the ties."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from statefall.content import PUBLISHED
from statefall.records.terms import StateDesign
from statefall.results.advice import Advice, Requirements, decide
from statefall.results.measured import as_text, measurements

NEUTRAL = {"concurrent_users": 5_000}


@pytest.mark.parametrize(
    ("need", "value", "stateless", "stateful"),
    [
        ("concurrent_users", 10_001, 3, 0),
        ("concurrent_users", 10_000, 0, 0),
        ("concurrent_users", 1_000, 0, 0),
        ("concurrent_users", 999, 0, 1),
        ("availability_percent", 99.91, 2, 0),
        ("availability_percent", 99.9, 0, 0),
        ("deployments_per_month", 11, 2, 0),
        ("deployments_per_month", 10, 0, 0),
        ("simple_request_response", True, 2, 0),
        ("team_size", 4, 1, 0),
        ("team_size", 5, 0, 0),
        ("websockets", True, 0, 3),
        ("conversation", True, 0, 3),
        ("expensive_computations", True, 0, 2),
        ("high_personalisation", True, 0, 2),
        ("real_time", True, 0, 2),
    ],
)
def test_each_need_gives_its_points_to_its_side(
    need: str, value: object, stateless: int, stateful: int
) -> None:
    found = decide(Requirements.model_validate({**NEUTRAL, need: value}))
    assert (found.stateless_score, found.stateful_score) == (stateless, stateful)


def test_the_stateless_mark_is_five() -> None:
    four = decide(Requirements(concurrent_users=5_000, availability_percent=99.99, deployments_per_month=20))
    assert (four.stateless_score, four.advice) == (4, Advice.HYBRID)
    five = decide(Requirements(concurrent_users=20_000, availability_percent=99.99))
    assert (five.stateless_score, five.advice) == (5, Advice.STATELESS)
    assert five.designs == (StateDesign.CLIENT,)


def test_the_stateful_mark_is_six() -> None:
    five = decide(Requirements(concurrent_users=5_000, websockets=True, real_time=True))
    assert (five.stateful_score, five.advice) == (5, Advice.HYBRID)
    six = decide(Requirements(concurrent_users=5_000, websockets=True, conversation=True))
    assert (six.stateful_score, six.advice) == (6, Advice.STATEFUL)


def test_both_or_neither_is_said_and_gets_the_hybrid() -> None:
    both = decide(
        Requirements(
            concurrent_users=20_000,
            availability_percent=99.99,
            websockets=True,
            conversation=True,
            real_time=True,
        )
    )
    assert both.advice is Advice.HYBRID
    assert "both sides reach their marks" in both.because
    neither = decide(Requirements(concurrent_users=5_000))
    assert neither.advice is Advice.HYBRID
    assert "neither side reaches its mark" in neither.because
    assert both.designs == neither.designs
    assert both.designs[0] is StateDesign.EXTERNAL


def test_an_impossible_need_is_refused() -> None:
    with pytest.raises(ValidationError):
        Requirements(concurrent_users=-1)


def test_each_side_says_what_its_own_score_means() -> None:
    found = decide(Requirements(concurrent_users=20_000, availability_percent=99.99, websockets=True))
    assert found.stateless_verdict == "stateless: 5 points, recommended at 5: recommended"
    assert found.stateful_verdict == "stateful: 3 points, recommended at 6: consider stateless"


def test_an_advice_cites_losses_and_costs_of_the_published_records() -> None:
    told = as_text(measurements(PUBLISHED, (StateDesign.CLIENT,)))
    sticky = next(line for line in told if line.startswith("client, sticky:") and line.endswith("[designs]"))
    assert "kill 0 of 60 lost" in sticky
    dear = next(line for line in told if line.startswith("client, sticky, recomputed-4x:"))
    assert "lost" not in dear
    assert re.search(r"processor time of a request \d\.\d ms", dear)
    assert len(told) == len(set(told))
