"""What a request cost: differences of the replicas' own counts over the undisturbed time."""

from __future__ import annotations

from typing import Any

import pytest

from statefall.records.events import PhaseStarted
from statefall.results.costs import costs
from statefall.results.model import Costs
from tests.results.stories import Story


def story(*, fault_s: float | None = None) -> Story:
    told = Story().add(PhaseStarted, 8.0, phase="baseline").add(PhaseStarted, 18.0, phase="audit")
    return told.fault("kill", "a", act_s=fault_s) if fault_s is not None else told


def scrape(told: Story, pod: str, at_s: float, requests: int, cpu_s: float, **more: Any) -> None:
    fields: dict[str, Any] = {"overhead_cpu_s": {}, "cache_lookups": {}} | more
    told.figures(pod, f"{pod}1", at_s, requests=requests, cpu_s=cpu_s, **fields)


def test_the_warm_up_and_what_follows_the_fault_are_left_out() -> None:
    told = story(fault_s=14.0)
    scrape(told, "a", 1.0, 0, 5.0)
    scrape(told, "a", 8.5, 1000, 9.0)
    scrape(told, "b", 9.0, 100, 1.0)
    scrape(told, "a", 13.5, 1400, 9.6)
    scrape(told, "b", 13.5, 300, 1.6)
    scrape(told, "b", 16.0, 9000, 99.0)
    assert costs(told.timeline()) == Costs(requests=600, cpu_ms_per_request=2.0)


def test_without_a_fault_the_whole_load_counts() -> None:
    told = story()
    scrape(told, "a", 8.5, 0, 0.0)
    scrape(told, "a", 17.9, 500, 1.0)
    scrape(told, "a", 18.1, 501, 9.0)
    assert costs(told.timeline()).cpu_ms_per_request == 2.0


def test_overheads_and_hits_are_of_the_same_requests() -> None:
    told = story()
    scrape(
        told,
        "a",
        9.0,
        0,
        0.0,
        overhead_cpu_s={"token_validation": 1.0},
        cache_lookups={"profile": {"hit": 50}},
    )
    scrape(
        told,
        "a",
        17.0,
        1000,
        2.0,
        overhead_cpu_s={"token_validation": 1.1},
        cache_lookups={"profile": {"hit": 140, "miss": 10}, "dashboard": {"hit": 3}},
    )
    found = costs(told.timeline())
    assert found.overhead_cpu_ms_per_request == {"token_validation": pytest.approx(0.1)}
    assert found.cache_hit_ratio == {"profile": 0.9}


def test_a_restarted_process_counts_from_its_own_beginning() -> None:
    told = story()
    scrape(told, "a", 9.0, 1000, 50.0)
    scrape(told, "a", 12.0, 1200, 50.2)
    told.figures("a", "a2", 13.0, requests=0, cpu_s=1.0, overhead_cpu_s={}, cache_lookups={})
    told.figures("a", "a2", 17.0, requests=100, cpu_s=1.1, overhead_cpu_s={}, cache_lookups={})
    assert costs(told.timeline()) == Costs(requests=300, cpu_ms_per_request=1.0)


def test_too_few_requests_give_no_figure_and_an_old_record_none_at_all() -> None:
    told = story()
    scrape(told, "a", 9.0, 0, 0.0)
    scrape(told, "a", 17.0, 99, 1.0)
    assert costs(told.timeline()) == Costs(requests=99)
    old = story()
    old.figures("a", "a1", 9.0)
    old.figures("a", "a1", 17.0)
    assert costs(old.timeline()) == Costs()
