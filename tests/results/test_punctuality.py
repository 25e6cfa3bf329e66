"""A cell that was held up is inconclusive, with the figures; one that kept its time is not."""

from dataclasses import replace

import pytest

from statefall.records.events import Event, FaultActed, PhaseStarted
from statefall.results.judge import judge_run
from statefall.results.model import Outcome
from statefall.results.punctuality import off_schedule, tolerance_s
from statefall.results.wording import reason
from tests.results.simulation import PHASES, SimulatedRun, default_plan, simulate
from tests.results.stories import Story, plan

PLANNED = {"warmup": 8.0, "baseline": 5.0, "fault": 5.0, "recovery": 8.0}


def story(*, fault_s: float = 5.0, act_s: float = 0.2, baseline_s: float = 5.0) -> Story:
    told, at_s = Story(), 8.0
    for name, length_s in (("baseline", baseline_s), ("fault", fault_s), ("recovery", 8.0), ("audit", 1.0)):
        if name == "fault":
            told.pods("a", "b", "c").fault("kill", "a", act_s=at_s + act_s)
        told.add(PhaseStarted, at_s, phase=name)
        at_s += length_s
    return told


@pytest.mark.parametrize("fault_s", [3.1, 5.0, 6.9])
def test_a_cell_that_kept_its_time_gives_no_reason(fault_s: float) -> None:
    assert off_schedule(plan(phases_s=PLANNED), story(fault_s=fault_s).timeline()) == []


def test_a_phase_that_was_cut_short_is_named_with_its_length() -> None:
    assert off_schedule(plan(phases_s=PLANNED), story(fault_s=0.04, act_s=0.01).timeline()) == [
        "the phase fault lasted 0.0 s instead of 5 s (at most 2 s off is tolerated)"
    ]


def test_a_phase_that_was_drawn_out_is_named_with_its_length() -> None:
    assert off_schedule(plan(phases_s=PLANNED), story(baseline_s=13.0).timeline()) == [
        "the phase baseline lasted 13.0 s instead of 5 s (at most 2 s off is tolerated)"
    ]


def test_a_fault_that_fell_into_the_next_phase_is_named() -> None:
    assert off_schedule(plan(phases_s=PLANNED), story(act_s=6.0).timeline()) == [
        "the fault f1 kill came 6.0 s late, in the phase recovery (at most 2 s are tolerated)"
    ]


def test_a_record_that_does_not_say_what_was_planned_gives_no_reason() -> None:
    assert off_schedule(plan(), story(fault_s=0.04, act_s=6.0).timeline()) == []


def test_a_tenth_of_a_long_phase_is_tolerated() -> None:
    assert (tolerance_s(5.0), tolerance_s(60.0)) == (2.0, 6.0)


def held_up() -> SimulatedRun:
    """The default experiment, of whose first cell the fault phase lasted 0.04 s; the kill fell behind it."""
    head = default_plan()
    run = simulate(replace(head, cells=tuple(replace(cell, phases_s=dict(PHASES)) for cell in head.cells)))
    first = head.cells[0].name
    begin = next(e.at for e in run.events if isinstance(e, PhaseStarted) and e.phase == "fault")

    def moved(event: Event) -> Event:
        if isinstance(event, PhaseStarted) and event.cell == first and event.phase == "recovery":
            return replace(event, at=begin.shifted(0.04))
        if isinstance(event, FaultActed) and event.cell == first:
            return replace(event, at=begin.shifted(2.5))
        return event

    return replace(run, events=[moved(event) for event in run.events])


def test_a_run_with_such_a_cell_is_inconclusive_and_says_why() -> None:
    run = held_up()
    summary = judge_run(run.plan, run.events, run.loads).summary
    assert (summary.verdict, summary.valid) == (Outcome.INCONCLUSIVE, True)
    assert [cell.verdict for cell in summary.cells] == [Outcome.INCONCLUSIVE, *[Outcome.PASSED] * 3]
    assert "the phase fault lasted 0.0 s instead of 5 s" in reason(summary)
    assert len(summary.cells[0].inconclusive_because) >= 2
