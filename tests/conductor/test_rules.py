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
from statefall.results.run_head import CellPlan


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
