"""What every cell is held to, and what an experiment may allow by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from statefall.conductor.plan import make_plan
from statefall.conductor.reading import find, read
from statefall.conductor.run import cell_plan
from statefall.records.errors import InputError
from statefall.records.verdicts import Verdict
from statefall.results.model import GateName
from statefall.results.run_head import Bound, CellPlan, Figure, GateRule, Since, Window


def cells(file: Path, *overrides: str) -> dict[str, CellPlan]:
    """By service, state and balancer."""
    plan = make_plan(read(file, overrides), seed=1, repeats=1)
    found = [cell_plan(cell, plan.experiment) for cell in plan.cells]
    return {f"{cell.state}-{cell.balancer}": cell for cell in found}


def test_every_cell_fails_on_wrong_state_whether_it_is_asked_for_or_not() -> None:
    for overrides in ((), ("gates=[]",)):
        for cell in cells(find("default"), *overrides).values():
            assert [rule.name for rule in cell.gates].count(GateName.NO_WRONG_STATE) == 1
            assert cell.strict


def test_the_default_experiment_allows_misrouted_sessions_where_they_come_by_design() -> None:
    allowed = {name: cell.allowed for name, cell in cells(find("default")).items()}
    assert allowed.pop("memory-plain") == (Verdict.MISROUTED,)
    assert set(allowed.values()) == {()}


def test_a_verdict_alone_is_allowed_everywhere() -> None:
    found = cells(find("default"), "allow=[rolled_back]")
    assert {cell.allowed for cell in found.values()} == {(Verdict.ROLLED_BACK,)}


@pytest.mark.parametrize("name", ["lost", "kept", "indeterminate", "none"])
def test_only_wrong_state_can_be_allowed(name: str) -> None:
    with pytest.raises(InputError, match="allow"):
        read(find("default"), (f"allow=[{name}]",))


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("gate: figure", "needs a figure: throughput_per_s, failed"),
        ("gate: figure, figure: p99_ms, at_most: 1", "needs either a phase or since"),
        (
            "gate: figure, figure: p99_ms, phase: fault, since: act, at_most: 1",
            "needs either a phase or since",
        ),
        ("gate: figure, figure: p99_ms, phase: fault, within_s: 3, at_most: 1", "counted from since"),
        ("gate: figure, figure: p99_ms, phase: fault", "needs either at_most or at_least"),
        ("gate: figure, figure: p99_ms, phase: audit, at_most: 1", "phase"),
        ("gate: books_balance, at_most: 1", "'at_most' is for the gate 'figure'"),
        ("gate: lost_at_most, value: 1, of: baseline", "'of' is for the gate 'figure'"),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(gate: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(find("default"), (f"gates=[{{{gate}}}]",))


def test_a_figure_in_a_window_reaches_the_judge() -> None:
    asked = (
        "gate: figure, figure: throughput_per_s, since: recovered, within_s: 15, at_least: 0.95, of: baseline"
    )
    cell = cells(find("default"), f"gates=[{{{asked}}}]")["memory-sticky"]
    window = Window(Figure.THROUGHPUT_PER_S, Bound.AT_LEAST, "", Since.RECOVERED, 15.0, "baseline")
    assert cell.gates[1] == GateRule(GateName.FIGURE, 0.95, window)
