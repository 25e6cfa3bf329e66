"""Timelines from events: lives, boots, phases and faults, whatever is missing or out of order."""

from dataclasses import replace

from statefall.records.clock import Instant
from statefall.records.events import CellEnded, FaultFailed, PhaseStarted, RunStarted, SessionStarted
from statefall.results.timeline import by_cell
from tests.results.stories import CELL, Story


def test_a_restart_in_place_gives_a_pod_two_containers_with_their_own_boots() -> None:
    story = Story().pods("a").pod("a", "container_exited", 10.0, detail="signal 9", container_id="a-0")
    story.pod("a", "container_started", 11.0, container_id="a-1").figures("a", "a2", 12.0)
    pod = story.timeline().pod("a")
    assert pod is not None
    assert [(c.container_id, c.exit_detail, c.boots) for c in pod.containers] == [
        ("a-0", "signal 9", ("a1",)),
        ("a-1", "", ("a2",)),
    ]
    second = pod.of_boot("a2")
    assert second is not None
    assert second.span.start_s == 111.0


def test_a_pod_that_goes_ends_its_container() -> None:
    pod = Story().pods("a").pod("a", "terminating", 5.0).pod("a", "gone", 7.0).timeline().pod("a")
    assert pod is not None
    assert (pod.terminating_s, pod.span.end_s, pod.containers[-1].span.end_s) == (105.0, 107.0, 107.0)


def test_readiness_is_kept_as_it_changed() -> None:
    pod = Story().pods("a").pod("a", "unready", 5.0).pod("a", "ready", 6.0).timeline().pod("a")
    assert pod is not None
    assert pod.ready == ((96.0, True), (105.0, False), (106.0, True))


def test_a_change_of_endpoints_is_no_life_of_a_pod() -> None:
    assert Story().pod("z", "endpoints", 3.0).timeline().pod("z") is None


def test_a_pod_known_only_by_its_answers_is_there() -> None:
    story = Story().add(SessionStarted, 2.0, session="1.1", shopper=1, user_id=1, pod="q", boot="q1")
    pod = story.timeline().pod("q")
    assert pod is not None
    assert pod.of_boot("q1") is not None


def test_events_are_read_by_their_clock_not_by_their_place() -> None:
    story = Story().pods("a").fault("kill", "a").tick(1.0).tick(2.0)
    forward = story.timeline()
    story.events.reverse()
    backward = story.timeline()
    assert (forward.ticks, forward.pods, forward.phases) == (backward.ticks, backward.pods, backward.phases)


def test_phases_follow_one_another_and_the_last_ends_with_the_cell() -> None:
    story = Story().add(PhaseStarted, 8.0, phase="baseline").add(CellEnded, 20.0)
    timeline = story.timeline()
    assert [(p.name, p.span.start_s, p.span.end_s) for p in timeline.phases] == [
        ("warmup", 100.0, 108.0),
        ("baseline", 108.0, 120.0),
    ]
    assert timeline.phase_at(107.9) == "warmup"
    assert timeline.phase_at(108.0) == "baseline"
    assert timeline.phase_at(99.0) == ""


def test_the_victims_of_a_fault_are_those_intended_and_those_seen() -> None:
    story = Story().fault("scale-in", "c", told=False)
    assert story.timeline().faults[0].victims == ("c",)


def test_a_fault_that_failed_before_its_time_is_kept_with_its_reason() -> None:
    story = Story().add(FaultFailed, 9.0, fault="f1", reason="the cell ended before its time came")
    fault = story.timeline().faults[0]
    assert (fault.kind, fault.act_s, fault.failed) == ("", None, "the cell ended before its time came")


def test_events_are_told_apart_by_cell_and_those_of_the_run_left_out() -> None:
    story = Story().tick(1.0)
    other = [replace(event, cell="c2") for event in Story().events]
    run = RunStarted(at=Instant(0.0, 0.0), run="r", seed=1)
    cells = by_cell([run, *story.events, *other])
    assert list(cells) == [CELL, "c2"]
    assert len(cells[CELL]) == 2
