"""What victims counted is held against what was lost, where that can be said at all."""

from __future__ import annotations

from dataclasses import replace

from statefall.records.events import FaultObserved, PodChanged, PodScraped, SessionLost
from statefall.records.terms import Balancer, Service
from statefall.records.verdicts import Verdict
from statefall.results.judge import judge_run
from statefall.results.model import Cell, Reconciliation
from tests.results.simulation import SimulatedRun, cell_plan, default_plan, simulate

NAME = "c1-memory"


def run_of_one() -> SimulatedRun:
    cell = cell_plan(NAME, Service.STATEFUL, Balancer.STICKY, strict=True, gates=(), faults=("kill",))
    return simulate(replace(default_plan(), cells=(cell,)))


def judged(run: SimulatedRun) -> Cell:
    (cell,) = judge_run(run.plan, run.events, run.loads).summary.cells
    return cell


def victims_held(run: SimulatedRun) -> Reconciliation:
    return next(book for book in judged(run).books if book.name == "victims_held")


def test_what_the_victim_held_is_what_was_lost() -> None:
    found = victims_held(run_of_one())
    assert found.holds
    assert found.left == found.right > 0


def test_sessions_of_the_victim_that_are_undecided_leave_it_open() -> None:
    run = run_of_one()
    load = run.loads[NAME]
    lost = next(each for each in load.sessions if each.live_at_mark and each.verdict is Verdict.LOST)
    unclear = replace(lost, verdict=Verdict.INDETERMINATE, ended_monotonic_s=None)
    run.loads[NAME] = replace(
        load, sessions=tuple(unclear if each is lost else each for each in load.sessions)
    )
    run.events = [e for e in run.events if not (isinstance(e, SessionLost) and e.session == lost.session)]
    found = victims_held(run)
    assert (found.holds, found.note) == (None, "not available: 1 sessions that lived there are undecided")


def test_a_session_that_was_kept_after_all_does_not() -> None:
    run = run_of_one()
    load = run.loads[NAME]
    lost = next(each for each in load.sessions if each.live_at_mark and each.verdict is Verdict.LOST)
    kept = replace(lost, verdict=Verdict.KEPT, ended_monotonic_s=None)
    run.loads[NAME] = replace(load, sessions=tuple(kept if each is lost else each for each in load.sessions))
    assert victims_held(run).holds is False


def test_a_fault_without_an_effect_has_taken_nothing_yet() -> None:
    run = run_of_one()
    run.events = [event for event in run.events if not isinstance(event, FaultObserved)]
    found = victims_held(run)
    assert (found.holds, found.note) == (None, "not available: no effect of the fault was observed")


def test_a_worker_that_was_killed_was_read_until_another_one_took_its_place() -> None:
    run = run_of_one()
    scrapes = [event for event in run.events if isinstance(event, PodScraped)]
    spared = scrapes[-1].pod
    middle = [event for event in scrapes if event.pod == spared][len(scrapes) // 6]
    run.events = [
        replace(event, boot="another")
        if isinstance(event, PodScraped)
        and event.pod == spared
        and event.at.monotonic_s > middle.at.monotonic_s
        else event
        for event in run.events
    ]
    last = [event for event in run.events if isinstance(event, PodScraped) and event.pod == spared]
    assert {event.boot for event in last} == {middle.boot, "another"}
    assert not any("were last read" in book.note for book in judged(run).books)


def test_a_victim_that_outlives_the_load_has_lost_nothing_yet() -> None:
    """A graceful end may take longer than the cell."""
    run = run_of_one()
    scrapes = [event for event in run.events if isinstance(event, PodScraped)]
    first = {event.pod: event.boot for event in reversed(scrapes)}
    ended = {"container_exited", "container_started", "gone"}
    run.events = [
        event
        for event in run.events
        if not (isinstance(event, PodChanged) and event.transition in ended)
        and not (isinstance(event, PodScraped) and event.boot != first[event.pod])
    ]
    found = victims_held(run)
    assert found.holds is None
    assert found.note.startswith("not available: a victim had not ended when the sessions were read")
