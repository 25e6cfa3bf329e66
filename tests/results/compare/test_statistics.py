"""The statistics of a comparison against values from elsewhere, and what holds for all of them."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statefall.results.compare.statistics import (
    Share,
    adjusted,
    beta_share,
    difference,
    exact_interval,
    mid_p,
    sessions_needed,
    student_limit,
    student_p,
)

COMPARE = Path(__file__).resolve().parents[3] / "docs" / "compare.md"


@pytest.mark.parametrize(
    ("a", "b", "x", "value"),
    [(2, 3, 0.4, 0.5248), (5, 1, 0.5, 0.03125), (0.5, 0.5, 0.5, 0.5), (1, 1, 0.3, 0.3), (3, 3, 0.0, 0.0)],
)
def test_the_beta_function_has_the_values_of_its_polynomials(
    a: float, b: float, x: float, value: float
) -> None:
    assert beta_share(a, b, x) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 100, 0.0, 0.036217), (3, 100, 0.0062300, 0.0851761), (10, 10, 0.6915029, 1.0), (0, 0, 0.0, 1.0)],
)
def test_the_interval_of_a_share_is_clopper_and_pearsons(
    hits: int, trials: int, low: float, high: float
) -> None:
    assert exact_interval(Share(hits, trials)) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(
    ("before", "after", "p"),
    [
        (Share(0, 10), Share(10, 10), 1 / math.comb(20, 10)),
        (Share(0, 4), Share(1, 4), 0.5),
        (Share(0, 50), Share(0, 50), 1.0),
        (Share(50, 50), Share(50, 50), 1.0),
        (Share(5, 0), Share(3, 9), 1.0),
    ],
)
def test_fishers_test_counts_half_of_what_was_observed(before: Share, after: Share, p: float) -> None:
    assert mid_p(before, after) == pytest.approx(p)


@given(st.integers(0, 60), st.integers(0, 60))
def test_fishers_test_and_the_difference_know_no_side(k1: int, k2: int) -> None:
    before, after = Share(k1, 60), Share(k2, 60)
    assert mid_p(before, after) == pytest.approx(mid_p(after, before))
    low, high = difference(before, after)
    assert low <= after.value - before.value <= high
    assert difference(after, before) == pytest.approx((-high, -low))


@pytest.mark.parametrize(
    ("t", "freedom", "p"), [(2.228139, 10, 0.05), (12.7062, 1, 0.05), (1.959964, math.inf, 0.05), (0, 3, 1.0)]
)
def test_students_law_has_the_values_of_the_tables(t: float, freedom: float, p: float) -> None:
    assert student_p(t, freedom) == pytest.approx(p, abs=1e-6)
    if p < 1.0:
        assert student_limit(freedom, 1.0 - p) == pytest.approx(t, rel=1e-4)


def test_holm_multiplies_the_smallest_by_all_and_the_largest_by_one() -> None:
    assert adjusted([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert adjusted([]) == ()


def test_the_documented_numbers_of_sessions_are_those_that_the_test_needs() -> None:
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \| ([\d,]+) \|", COMPARE.read_text(), re.MULTILINE)
    assert len(rows) >= 4
    for tests, hundredth, twentieth in rows:
        assert sessions_needed(0.01, tests=int(tests)) == int(hundredth.replace(",", ""))
        assert sessions_needed(0.05, tests=int(tests)) == int(twentieth.replace(",", ""))
