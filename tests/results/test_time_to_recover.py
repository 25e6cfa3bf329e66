"""Recovery: ready again, and nobody refused in the 3 s that follow."""

from dataclasses import replace

from statefall.records.events import CellEvent, Tick
from statefall.results.time_to_recover import outcomes, recovery_s, worst
from tests.results.stories import Story


def story(*failures: float, until: int = 25, recovered_s: float | None = 12.0) -> Story:
    told = Story().pods("a", "b").fault("kill", "a", act_s=10.0, recovered_s=recovered_s)
    for second in range(1, until + 1):
        told.tick(float(second), failed=3 if second in failures else 0)
    return told


def recovery(told: Story) -> float | None:
    timeline = told.timeline()
    return recovery_s(timeline.faults[0], timeline)


def test_without_a_failed_request_it_is_the_readiness() -> None:
    assert recovery(story()) == 2.0


def test_failures_before_the_readiness_do_not_count_twice() -> None:
    assert recovery(story(11, 12)) == 2.0


def test_a_failure_after_the_readiness_puts_it_off() -> None:
    assert recovery(story(11, 12, 13, 14)) == 4.0


def test_a_failure_within_the_three_seconds_puts_it_off_to_the_end_of_its_second() -> None:
    assert recovery(story(11, 15)) == 5.0


def test_a_failure_later_than_that_is_not_of_this_fault() -> None:
    assert recovery(story(11, 17)) == 2.0


def test_a_record_that_ends_within_the_three_seconds_shows_no_recovery() -> None:
    assert recovery(story(until=14)) is None


def test_a_service_that_never_became_ready_did_not_recover() -> None:
    assert recovery(story(recovered_s=None)) is None


def test_the_worst_fault_is_the_cell_s() -> None:
    told = story(21, 22)
    told.fault("kill", "b", act_s=20.0, observed_s=20.1, recovered_s=20.5, fault="f2")
    for second in range(26, 30):
        told.tick(float(second))
    found = outcomes(told.timeline())
    assert [outcome.recovery_s for outcome in found] == [2.0, 2.0]
    assert worst([outcome.recovery_s for outcome in found]) == 2.0


def test_one_fault_without_recovery_leaves_the_cell_without() -> None:
    told = story()
    told.fault("kill", "b", act_s=24.0, observed_s=24.1, recovered_s=24.5, fault="f2")
    assert worst([outcome.recovery_s for outcome in outcomes(told.timeline())]) is None


def test_no_fault_no_recovery() -> None:
    assert worst(()) is None


def test_times_are_those_of_the_load() -> None:
    found = outcomes(story().timeline())[0]
    assert (found.act_s, found.observed_s, found.recovered_s) == (10.0, 10.5, 12.0)


def test_capacity_and_the_last_failure_are_two_figures() -> None:
    (found,) = outcomes(story(11, recovered_s=14.2).timeline())
    assert (found.capacity_back_s, found.last_failure_s, found.recovery_s) == (4.2, 1.0, 4.2)


def test_where_no_request_failed_there_is_no_last_failure() -> None:
    (found,) = outcomes(story(3, 9).timeline())
    assert found.last_failure_s is None


def test_failures_long_after_the_readiness_are_told() -> None:
    (found,) = outcomes(story(11, 22).timeline())
    assert (found.recovery_s, found.last_failure_s) == (2.0, 12.0)


def test_a_failure_after_the_next_fault_is_the_next_fault_s() -> None:
    told = Story().pods("a", "b").fault("kill", "a", act_s=10.0).fault("kill", "b", act_s=14.0, fault="f2")
    for second in range(1, 20):
        told.tick(float(second), failed=second in (11, 16))
    assert [found.last_failure_s for found in outcomes(told.timeline())] == [1.0, 2.0]


def fewer(event: CellEvent) -> CellEvent:
    return replace(event, live_sessions=7) if isinstance(event, Tick) else event


def test_sessions_are_back_when_as_many_are_alive_as_before_the_fault() -> None:
    told = story().mark(10)
    ticks = [
        replace(e, live_sessions=7) if isinstance(e, Tick) and 110 < e.at_s < 115 else e for e in told.events
    ]
    told.events = ticks
    assert outcomes(told.timeline())[0].sessions_back_s == 5.0
    told.events = [replace(e, live_sessions=7) if isinstance(e, Tick) else e for e in ticks]
    assert outcomes(told.timeline())[0].sessions_back_s is None
