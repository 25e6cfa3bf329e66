"""Who did the work after a fault, and what the replicas counted of themselves."""

from __future__ import annotations

from statefall.records.events import PhaseStarted
from statefall.results.counted import counted
from statefall.results.model import PodShare
from statefall.results.spread import spread
from tests.results.stories import Story


def scrape(told: Story, pod: str, at_s: float, requests: int, *, boot: str = "", active: int = 0) -> None:
    told.figures(
        pod,
        boot or f"{pod}1",
        at_s,
        active=active,
        requests=requests,
        cpu_s=1.0,
        overhead_cpu_s={},
        cache_lookups={},
    )


def scaled_out() -> Story:
    return (
        Story()
        .pods("a", "b")
        .add(PhaseStarted, 10.0, phase="fault")
        .fault("scale-out", count=1, act_s=10.0, recovered_s=12.0)
        .pod("c", "created", 10.1)
    )


def test_requests_before_the_new_replica_was_ready_do_not_count() -> None:
    told = scaled_out()
    for pod, active in (("a", 20), ("b", 19)):
        scrape(told, pod, 5.0, 500)
        scrape(told, pod, 11.9, 1000)
        scrape(told, pod, 20.0, 1045, active=active)
    scrape(told, "c", 13.0, 4)
    scrape(told, "c", 20.0, 10, active=3)
    assert spread(told.timeline()) == (
        PodShare("a", came_with_fault=False, requests=45, share=0.45, sessions=20),
        PodShare("b", came_with_fault=False, requests=45, share=0.45, sessions=19),
        PodShare("c", came_with_fault=True, requests=10, share=0.1, sessions=3),
    )


def test_a_container_that_was_restarted_in_place_is_not_new() -> None:
    told = Story().pods("a", "b").fault("kill", "a", act_s=10.0, recovered_s=12.0)
    scrape(told, "a", 9.0, 1000)
    scrape(told, "a", 20.0, 60, boot="a2")
    scrape(told, "b", 9.0, 1000)
    scrape(told, "b", 20.0, 1040)
    assert [(pod.pod, pod.came_with_fault, pod.requests) for pod in spread(told.timeline())] == [
        ("a", False, 60),
        ("b", False, 40),
    ]


def test_too_few_requests_say_nothing_and_neither_does_a_run_without_faults() -> None:
    told = scaled_out()
    scrape(told, "a", 11.9, 1000)
    scrape(told, "a", 20.0, 1049)
    assert spread(told.timeline()) == ()
    calm = Story().pods("a")
    scrape(calm, "a", 20.0, 5000)
    assert spread(calm.timeline()) == ()


def test_counters_are_summed_over_processes_and_levels_are_the_highest_seen() -> None:
    told = Story().pods("a", "b")
    errors, kept = "statefall_store_errors_total", "statefall_store_sessions"
    told.figures("a", "a1", 2.0, counted={errors: 3.0, kept: 9.0})
    told.figures("a", "a1", 3.0, counted={errors: 5.0, kept: 7.0})
    told.figures("a", "a2", 4.0, counted={errors: 1.0})
    told.figures("b", "b1", 4.0, counted={errors: 2.0, kept: 8.0})
    assert counted(told.timeline()) == {errors: 8.0, kept: 9.0}
