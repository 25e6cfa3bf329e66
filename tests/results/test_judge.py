"""From a whole record to a verdict: sums that always balance, and the same judgement every time."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statefall.records.causes import Cause
from statefall.records.events import (
    CellEnded,
    CellStarted,
    Event,
    FaultFailed,
    FaultObserved,
    InCell,
    LoadLost,
    PhaseStarted,
    PodScraped,
    SessionLost,
)
from statefall.records.terms import Balancer, Service
from statefall.records.verdicts import Answers, LoadResult, SessionRecord, Verdict
from statefall.results.judge import judge_cell, judge_run
from statefall.results.model import Cell, GateName, Outcome, Summary
from statefall.results.run_head import GateRule, RunHead
from statefall.results.wording import reason
from tests.generated import examples
from tests.results.simulation import SimulatedRun, cell_plan, default_plan, simulate
from tests.results.stories import Story, plan


def judged(run: SimulatedRun, **more: Any) -> Summary:
    return judge_run(run.plan, run.events, run.loads, **more).summary


def cells(summary: Summary) -> dict[str, Cell]:
    return {cell.name.split("-", 1)[1]: cell for cell in summary.cells}


def one_cell(balancer: Balancer = Balancer.STICKY, **more: Any) -> RunHead:
    return replace(default_plan(), cells=(cell_plan("c1-memory", Service.STATEFUL, balancer, **more),))


# -- the default experiment -------------------------------------------------------------------------


def test_the_default_experiment_passes_and_says_who_lost_what() -> None:
    summary = judged(simulate())
    assert (summary.verdict, summary.valid, summary.partial) == (Outcome.PASSED, True, False)
    found = cells(summary)
    for name in ("stateless-plain", "stateless-sticky"):
        assert found[name].sessions.at_fault == found[name].sessions.kept == 99
        assert found[name].lost_by_cause == {}
    sticky = found["stateful-memory-sticky"]
    assert sticky.lost_by_cause == {Cause.POD_KILLED: sticky.sessions.lost}
    assert 20 <= sticky.sessions.lost <= 46
    plain = found["stateful-memory-plain"]
    assert plain.lost_before_fault > 300
    assert set(plain.lost_before_fault_by_cause) == {Cause.REROUTED}
    assert set(plain.lost_by_cause) == {Cause.POD_KILLED, Cause.REROUTED}


def test_the_victims_own_count_is_what_was_lost() -> None:
    sticky = cells(judged(simulate()))["stateful-memory-sticky"]
    held = next(book for book in sticky.books if book.name == "victims_held")
    assert held.holds
    assert held.left == sticky.sessions.lost


def test_without_a_fault_nobody_who_sticks_loses_anything() -> None:
    plan = one_cell(faults=(), gates=(GateRule(GateName.LOST_AT_MOST, 0.0), GateRule(GateName.BOOKS_BALANCE)))
    summary = judged(simulate(plan, kill=0))
    assert summary.verdict is Outcome.PASSED
    assert summary.cells[0].recovery_s is None
    assert summary.cells[0].sessions.kept == 99


# -- properties -------------------------------------------------------------------------------------


def check_sums(cell: Cell, load: LoadResult) -> None:
    s = cell.sessions
    assert s.at_fault == (
        s.kept + s.lost + s.rolled_back + s.duplicated + s.foreign + s.misrouted + s.indeterminate
    )
    assert sum(cell.lost_by_cause.values()) == s.lost
    for phase in cell.sessions_by_phase.values():
        assert sum(phase.causes.values()) == phase.lost
    assert sum(p.started for p in cell.sessions_by_phase.values()) == len(load.sessions)
    r = cell.requests
    assert r.scheduled == r.completed + r.failed + r.dropped + r.in_flight


@settings(deadline=None, max_examples=examples(15))
@given(
    seed=st.integers(0, 10**6),
    kill=st.integers(0, 3),
    shoppers=st.integers(1, 60),
    balancer=st.sampled_from([Balancer.PLAIN, Balancer.STICKY]),
    replicas=st.integers(3, 5),
)
def test_sums_balance_and_books_hold_for_any_run(
    seed: int, kill: int, shoppers: int, balancer: Balancer, replicas: int
) -> None:
    plan = one_cell(balancer, replicas=replicas, gates=(), faults=("kill",) if kill else ())
    run = simulate(plan, seed=seed, kill=kill, shoppers=shoppers)
    cell = judged(run).cells[0]
    check_sums(cell, run.loads[cell.name])
    assert [book for book in cell.books if not book.holds] == []
    assert Cause.UNEXPLAINED not in cell.lost_by_cause


@settings(deadline=None, max_examples=examples(15))
@given(seed=st.integers(0, 10**6))
def test_sums_balance_whatever_the_verdicts_are(seed: int) -> None:
    run = simulate(one_cell(gates=()), shoppers=40)
    source = random.Random(seed)
    name, load = next(iter(run.loads.items()))
    mixed = tuple(_anything(record, source) for record in load.sessions)
    run.loads[name] = replace(load, sessions=mixed)
    cell = judged(run).cells[0]
    s = cell.sessions
    assert s.at_fault == sum(record.live_at_mark for record in mixed)
    assert Counter(r.verdict for r in mixed if r.live_at_mark)[Verdict.LOST] == s.lost
    assert sum(cell.lost_by_cause.values()) == s.lost


def _anything(record: SessionRecord, source: random.Random) -> SessionRecord:
    return replace(record, verdict=source.choice(list(Verdict)), live_at_mark=source.random() < 0.7)


@settings(deadline=None, max_examples=examples(10))
@given(seed=st.integers(0, 10**6))
def test_judging_does_not_depend_on_the_order_of_the_record(seed: int) -> None:
    run = simulate(one_cell(gates=()), seed=3, shoppers=20)
    shuffled = list(run.events)
    random.Random(seed).shuffle(shuffled)
    # Two events of the same moment keep their order: a log has one, and it is that of recording.
    shuffled.sort(key=lambda e: e.at_s)
    stable = sorted(run.events, key=lambda e: e.at_s)
    again = judge_run(run.plan, stable, dict(reversed(list(run.loads.items())))).summary
    assert again.to_json() == judged(run).to_json()
    assert judge_run(run.plan, shuffled, run.loads).summary.verdict is again.verdict


def test_judging_twice_gives_the_same_bytes() -> None:
    assert judged(simulate(seed=5)).to_json() == judged(simulate(seed=5)).to_json()


def test_another_seed_gives_another_run() -> None:
    assert judged(simulate(seed=5)).to_json() != judged(simulate(seed=6)).to_json()


# -- what makes a run invalid, failed or undecided ---------------------------------------------------


def without(events: list[Event], *kinds: type[Event]) -> list[Event]:
    return [e for e in events if not isinstance(e, kinds)]


def test_a_fault_without_observed_effect_makes_the_run_invalid() -> None:
    run = simulate(one_cell())
    run.events = without(run.events, FaultObserved)
    summary = judged(run)
    assert summary.verdict is Outcome.INVALID
    assert "no effect was observed" in summary.invalid_because[0]


def test_a_failed_fault_makes_the_run_invalid_with_its_reason() -> None:
    run = simulate(one_cell())
    at, cell = run.events[-2].at, run.plan.cells[0].name
    failed = FaultFailed(at=at, cell=cell, fault="f1", reason="the pod was gone")
    run.events.insert(-1, failed)
    assert any("the pod was gone" in reason for reason in judged(run).invalid_because)


def test_a_planned_fault_that_was_never_carried_out_makes_the_run_invalid() -> None:
    run = simulate(one_cell(faults=("kill", "delete")))
    assert any("1 of 2 planned faults" in reason for reason in judged(run).invalid_because)


def test_a_book_that_does_not_balance_makes_the_run_invalid() -> None:
    run = simulate(one_cell())
    name, load = next(iter(run.loads.items()))
    run.loads[name] = replace(load, requests=replace(load.requests, completed=load.requests.completed - 1))
    summary = judged(run)
    assert summary.verdict is Outcome.INVALID
    assert "`requests` does not balance" in summary.invalid_because[0]


def test_too_few_live_sessions_make_the_run_invalid() -> None:
    summary = judged(simulate(one_cell(), shoppers=40))
    assert summary.verdict is Outcome.INVALID
    assert "40 live sessions at the fault, at least 90 wanted" in summary.invalid_because[0]


def test_a_fault_of_the_generator_makes_the_run_invalid() -> None:
    run = simulate(one_cell())
    name, load = next(iter(run.loads.items()))
    run.loads[name] = replace(load, generator_faults=("worker 2 was lost",))
    assert "load generator: worker 2 was lost" in judged(run).invalid_because[0]


def test_how_a_lost_generator_ended_is_the_first_reason_of_its_cell() -> None:
    lost = Story().pods("a").fault("kill", "a").add(LoadLost, 20.0, reason="its process ended: signal 9")
    cell = judge_cell(plan(), lost.timeline(), None).cell
    assert cell.verdict is Outcome.INVALID
    assert cell.invalid_because == ("load generator: its process ended: signal 9",)


def test_a_gate_that_is_not_met_fails_the_run() -> None:
    summary = judged(simulate(one_cell(gates=(GateRule(GateName.LOST_AT_MOST, 0.0),))))
    assert (summary.verdict, summary.valid) == (Outcome.FAILED, True)


def test_a_gate_that_cannot_be_decided_leaves_the_run_inconclusive() -> None:
    run = simulate(one_cell(gates=(GateRule(GateName.LOST_AT_MOST, 0.0),), faults=()), kill=0)
    name, load = next(iter(run.loads.items()))
    undecided = tuple(replace(record, verdict=Verdict.INDETERMINATE) for record in load.sessions)
    run.loads[name] = replace(load, sessions=undecided)
    summary = judged(run)
    assert (summary.verdict, summary.valid) == (Outcome.INCONCLUSIVE, True)


def test_a_gate_that_does_not_apply_decides_nothing() -> None:
    gates = (GateRule(GateName.VICTIM_HELD_EQUALS_LOST),)
    assert judged(simulate(one_cell(Balancer.PLAIN, gates=gates))).verdict is Outcome.PASSED


def test_a_failed_run_names_the_gate_and_its_figure() -> None:
    summary = judged(simulate(one_cell(gates=(GateRule(GateName.LOST_AT_MOST, 0.0),))))
    lost = summary.cells[0].sessions.lost
    assert f"lost in the whole cell, at most 0; measured {lost}" in reason(summary)


def test_the_worst_cell_decides() -> None:
    plan = default_plan()
    strict = replace(plan.cells[0], gates=(GateRule(GateName.LOST_AT_MOST, 0.0),))
    assert judged(simulate(replace(plan, cells=(strict, *plan.cells[1:])))).verdict is Outcome.FAILED


# -- a run that ended early --------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
def test_an_interrupted_run_is_judged_as_far_as_it_came(share: float) -> None:
    run = simulate()
    run.events = run.events[: int(len(run.events) * share)]
    ended = {e.cell for e in run.events if isinstance(e, CellEnded)}
    run.loads = {name: load for name, load in run.loads.items() if name in ended}
    summary = judged(run, partial="interrupted")
    assert (summary.verdict, summary.valid, summary.partial) == (Outcome.INVALID, False, True)
    assert summary.invalid_because[0] == "interrupted"
    begun = [e.cell for e in run.events if isinstance(e, CellStarted)]
    assert {cell.name for cell in summary.cells} == set(begun)
    for cell in summary.cells:
        assert (cell.verdict is Outcome.INVALID) == (cell.name not in ended)


def test_a_run_that_never_began_is_invalid() -> None:
    summary = judge_run(default_plan(), [], {}, partial="interrupted").summary
    assert (summary.verdict, summary.cells, summary.duration_s) == (Outcome.INVALID, (), 0.0)


def test_a_cell_that_is_missing_makes_a_finished_run_invalid() -> None:
    run = simulate()
    gone = run.plan.cells[-1].name
    run.events = [e for e in run.events if not (isinstance(e, InCell) and e.cell == gone)]
    summary = judged(run)
    assert summary.verdict is Outcome.INVALID
    assert "1 of 4 cells did not run" in summary.invalid_because


# -- what cannot be judged ---------------------------------------------------------------------------


def undecided(run: SimulatedRun, count: int) -> SimulatedRun:
    for name, load in run.loads.items():
        first = tuple(replace(record, verdict=Verdict.INDETERMINATE) for record in load.sessions[:count])
        run.loads[name] = replace(load, sessions=first + load.sessions[count:])
    return run


def test_a_run_with_undecided_sessions_is_inconclusive_whatever_the_gates() -> None:
    summary = judged(undecided(simulate(one_cell(gates=(), faults=()), kill=0), 2))
    assert summary.verdict is Outcome.INCONCLUSIVE
    assert summary.cells[0].undecided == 2
    assert "2 of 99 sessions are undecided" in reason(summary)


def test_a_session_that_began_during_the_audit_is_not_undecided() -> None:
    run = undecided(simulate(one_cell(gates=(), faults=()), kill=0), 2)
    audit_s = max(event.at_s for event in run.events if isinstance(event, PhaseStarted))
    for name, load in run.loads.items():
        late = tuple(replace(r, started_monotonic_s=audit_s + 0.1) for r in load.sessions[:2])
        run.loads[name] = replace(load, sessions=late + load.sessions[2:])
    assert (judged(run).verdict, judged(run).cells[0].undecided) == (Outcome.PASSED, 0)


def test_what_is_certain_stands_before_what_is_undecided() -> None:
    limit = (GateRule(GateName.LOST_AT_MOST, 0.0),)
    assert judged(undecided(simulate(one_cell(gates=limit)), 2)).verdict is Outcome.FAILED


@pytest.mark.parametrize(
    ("gate", "balancer", "words"),
    [
        (GateName.VICTIM_HELD_EQUALS_LOST, Balancer.PLAIN, "no victim's own count can be compared"),
        (GateName.NO_WRONG_MESSAGE, Balancer.STICKY, "no shopper had a WebSocket"),
    ],
)
def test_a_gate_that_was_asked_for_and_cannot_be_judged_leaves_the_run_inconclusive(
    gate: GateName, balancer: Balancer, words: str
) -> None:
    summary = judged(simulate(one_cell(balancer, gates=(GateRule(gate),), strict=True)))
    assert summary.verdict is Outcome.INCONCLUSIVE
    assert words in reason(summary)


def test_the_default_experiment_passes_strictly_judged() -> None:
    plan = default_plan()
    strict = replace(plan, cells=tuple(replace(cell, strict=True) for cell in plan.cells))
    summary = judged(simulate(strict))
    assert (summary.verdict, [cell.inconclusive_because for cell in summary.cells]) == (
        Outcome.PASSED,
        [()] * 4,
    )


def test_metrics_that_could_not_be_read_leave_the_run_inconclusive_and_say_so() -> None:
    run = simulate(one_cell(strict=True, gates=(GateRule(GateName.VICTIM_HELD_EQUALS_LOST),)))
    run.events = [event for event in run.events if not isinstance(event, PodScraped)]
    summary = judged(run)
    assert summary.verdict is Outcome.INCONCLUSIVE
    told = " ".join(summary.cells[0].inconclusive_because)
    assert "`victim_held_equals_lost` cannot be judged" in told
    assert "`told_lost` cannot be judged: not available: no replica's metrics could be read" in told


def test_a_service_without_metrics_of_its_own_is_not_held_to_them() -> None:
    run = simulate(one_cell(strict=True, own_metrics=False, gates=()))
    run.events = [event for event in run.events if not isinstance(event, PodScraped)]
    assert judged(run).verdict is Outcome.PASSED


def test_wrong_state_of_a_session_fails_the_default_experiment() -> None:
    run = simulate(one_cell(strict=True, allowed=(), gates=(GateRule(GateName.NO_WRONG_STATE),)))
    leak = next(event for event in run.events if isinstance(event, SessionLost))
    run.events.append(replace(leak, verdict=Verdict.FOREIGN))
    assert judged(run).verdict is Outcome.FAILED


def test_answers_that_call_themselves_degraded_for_no_reason_leave_the_run_inconclusive() -> None:
    run = simulate(one_cell(strict=True, gates=()))
    for name, load in run.loads.items():
        run.loads[name] = replace(load, answers_by_phase={"recovery": Answers(degraded=12)})
    assert judged(run).verdict is Outcome.INCONCLUSIVE
    assert "12 answers said to be degraded" in reason(judged(run))
