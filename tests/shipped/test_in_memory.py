"""Every cell of every shipped experiment at its full length, on a cluster and a load in memory: what the plan
asks for is carried out, every gate is there, and the run is judged, drawn and told of."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from statefall.conductor.plan import Plan
from statefall.conductor.progress import reporter
from statefall.conductor.run import Request, execute
from statefall.records.cells import PlannedCell
from statefall.results.table import print_table
from tests.conductor.bench import Fakes
from tests.shipped.experiments import FILES, applies, missing, whole

pytestmark = pytest.mark.shipped


@pytest.mark.parametrize("name", FILES)
def test_every_cell_is_carried_out_and_judged(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, fakes, told = whole(FILES[name]), Fakes(), io.StringIO()
    summary, folder = execute(
        Request(plan=plan, out=tmp_path, cluster_kind="fake", rerun=f"statefall run {name}"),
        open_cluster=lambda _: fakes.cluster,
        open_channel=fakes.open_channel,
        open_aside=fakes.open_aside,
        reporter=reporter(as_json=False),
        clock=fakes.clock,
    )
    print_table(summary, stream=told)
    assert not summary.partial
    assert [cell.name for cell in summary.cells] == [cell.name for cell in plan.cells]
    for cell, planned in zip(summary.cells, plan.cells, strict=True):
        assert [(fault.kind, fault.act_s is None) for fault in cell.faults] == [
            (fault.kind, False) for fault in planned.faults
        ], cell.name
        assert {gate.name for gate in cell.gates} >= gates_of(plan, planned), cell.name
    assert (folder / "report.html").stat().st_size > 0
    assert told.getvalue()
    assert "FAILED" not in capsys.readouterr().err


def gates_of(plan: Plan, cell: PlannedCell) -> set[str]:
    return {gate.gate for gate in plan.experiment.gates if applies(gate, cell)}


@pytest.mark.parametrize("name", FILES)
def test_every_gate_is_for_some_cell(name: str) -> None:
    plan = whole(FILES[name])
    assert missing(plan.experiment.gates, plan.cells) == []
