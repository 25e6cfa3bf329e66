"""A cell in unfit surroundings is inconclusive, with the figure; what was seen to go wrong is a failure."""

from dataclasses import replace
from typing import Any

import pytest

from statefall.records.events import Tick
from statefall.records.terms import Balancer, Service
from statefall.records.verdicts import RequestFailure
from statefall.results.judge import judge_run
from statefall.results.model import Cell, GateName, Outcome
from statefall.results.run_head import GateRule
from statefall.results.surroundings import unfit
from tests.results.simulation import SimulatedRun, cell_plan, default_plan, simulate
from tests.results.stories import Story, plan


def homes(*counts: int, **more: Any) -> list[str]:
    named = {f"pod-{number}": count for number, count in enumerate(counts)}
    return unfit(plan(**more), Story().mark(sum(counts), **named).timeline(), None)


def test_homes_as_a_busy_machine_made_them_are_named() -> None:
    assert homes(52, 17, 28) == [
        "the sessions' homes were uneven at the fault: 52 / 28 / 17 where 32 each were expected"
    ]


@pytest.mark.parametrize("counts", [(33, 33, 33), (41, 33, 25), (5, 0, 0), (20, 14, 11)])
def test_homes_that_chance_makes_are_not(counts: tuple[int, ...]) -> None:
    assert homes(*counts) == []


def test_a_replica_without_any_session_counts() -> None:
    assert homes(50, 49) != []


@pytest.mark.parametrize("balancer", [Balancer.CLIENT_IP, Balancer.AS_FOUND, Balancer.PLAIN])
def test_homes_are_not_judged_where_nothing_deals_them_out(balancer: Balancer) -> None:
    assert homes(99, 0, 0, balancer=balancer) == []


def test_homes_that_nobody_knows_are_not_judged() -> None:
    assert unfit(plan(), Story().mark(30, **{"/": 30}).timeline(), None) == []


def one_cell(*gates: GateRule) -> SimulatedRun:
    cell = cell_plan("c1-memory", Service.STATEFUL, Balancer.STICKY, gates=gates, faults=("kill",))
    return simulate(replace(default_plan(), cells=(cell,)))


def judged(run: SimulatedRun) -> Cell:
    return judge_run(run.plan, run.events, run.loads).summary.cells[0]


def with_timeouts(run: SimulatedRun, count: int, phase: str = "baseline") -> SimulatedRun:
    """So many of the phase's requests ran out of time."""
    (name,) = run.loads
    load = run.loads[name]
    counts = load.requests_by_phase[phase]
    late = {RequestFailure.TIMEOUT: counts.failed + count}
    loads = {
        name: replace(
            load, requests_by_phase={**load.requests_by_phase, phase: replace(counts, failed_by=late)}
        )
    }
    return replace(run, loads=loads)


def test_timeouts_before_the_fault_make_a_cell_inconclusive() -> None:
    cell = judged(with_timeouts(one_cell(), 59))
    assert cell.verdict is Outcome.INCONCLUSIVE
    (doubt,) = cell.inconclusive_because
    assert doubt.startswith("59 of ")
    assert doubt.endswith("requests before the fault had no answer in time")


@pytest.mark.parametrize(("count", "phase"), [(2, "baseline"), (59, "recovery")])
def test_few_timeouts_or_those_after_the_fault_do_not(count: int, phase: str) -> None:
    assert judged(with_timeouts(one_cell(), count, phase)).verdict is Outcome.PASSED


def busy(run: SimulatedRun, share: float) -> SimulatedRun:
    events = [replace(e, cpu_pressure=share) if isinstance(e, Tick) else e for e in run.events]
    return replace(run, events=events)


MISSED = GateRule(GateName.LOST_BEFORE_FAULT_AT_LEAST_SHARE, 0.8)
"""What a sticky cell does not do."""


def test_a_gate_that_was_missed_on_a_busy_machine_decides_nothing() -> None:
    assert judged(one_cell(MISSED)).verdict is Outcome.FAILED
    assert judged(busy(one_cell(MISSED), 0.4)).verdict is Outcome.FAILED
    cell = judged(busy(one_cell(MISSED), 0.97))
    assert cell.verdict is Outcome.INCONCLUSIVE
    assert "waited for a processor in 97% of the time" in cell.inconclusive_because[0]


def test_a_gate_that_was_met_on_a_busy_machine_was_met() -> None:
    assert judged(busy(one_cell(GateRule(GateName.LOST_WITHIN_PREDICTION)), 0.97)).verdict is Outcome.PASSED


def test_a_loss_that_was_seen_is_a_loss_on_any_machine() -> None:
    cell = judged(with_timeouts(busy(one_cell(GateRule(GateName.LOST_AT_MOST, 0.0)), 0.97), 59))
    assert cell.verdict is Outcome.FAILED
    assert cell.inconclusive_because
