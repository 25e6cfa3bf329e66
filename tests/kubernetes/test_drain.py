"""A node is drained, and a pod evicted, under load: what each design loses. The node is put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import NAMESPACE, NODE
from statefall.results.model import Cell, Outcome, Summary
from tests.kubernetes.conftest import target
from tests.kubernetes.timeline import vacant
from tests.main_job.conductor import call, overrides, run_folder
from tests.main_job.test_default_experiment import events_of, victims_own_count

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("whole_cluster"),
]

NAMESPACE_NAME = "statefall-drained"
PHASES = ("phases.warmup_s=5", "phases.baseline_s=2", "phases.fault_s=16", "phases.recovery_s=6")
"""Long enough for two evictions one after the other on a small cluster."""


@pytest.fixture(scope="module")
def empty() -> Iterator[Api]:
    """A namespace's name under which nothing stands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATEFALL_NAMESPACE", NAMESPACE_NAME)
        with vacant(target(NAMESPACE_NAME)) as api:
            yield api


def ran(here: Path, *changes: str) -> tuple[Path, dict[str, Cell]]:
    """The folder of the experiment with these values set, and its cells by their state."""
    command = ("run", "drain", "--cluster", "kubernetes", "--seed", "7", "--out", "runs")
    done = call(*command, *overrides(changes), cwd=here, timeout_s=540.0)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    folder = run_folder(here / "runs")
    summary = Summary.from_json((folder / "summary.json").read_bytes())
    assert summary.valid
    assert summary.verdict is Outcome.PASSED
    return folder, {cell.state.value: cell for cell in summary.cells}


def test_a_drained_node_costs_the_sessions_that_lived_there_in_memory_and_no_others(
    empty: Api, tmp_path: Path
) -> None:
    folder, cells = ran(tmp_path, "matrix.state=[handoff, memory]", "matrix.fault=[drain]", *PHASES)
    assert set(cells) == {"handoff", "memory"}
    for cell in cells.values():
        (fault,) = cell.faults
        assert len(fault.victims) >= 1
        assert "drained, pod gone" in fault.effect
        assert fault.recovered_s is not None
        assert cell.sessions.at_fault >= 50
    assert cells["handoff"].sessions.lost == 0
    lost = cells["memory"].sessions.lost
    assert lost == victims_own_count(folder, cells["memory"].name) > 0
    assert cells["memory"].lost_by_cause == {"drained": lost}
    (intent,) = [e for e in events_of(folder, cells["memory"].name) if e["kind"] == "fault_intent"]
    hit = {victim["pod"] for victim in intent["victims"]}
    drained = {
        event["node"]
        for event in events_of(folder, cells["memory"].name)
        if event["kind"] == "pod" and event["pod"] in hit and event["node"]  # none before it was placed
    }
    (node,) = drained
    found = empty.get(NODE, node)
    assert found is not None
    assert not found["spec"].get("unschedulable"), "the node was put back"
    assert empty.get(NAMESPACE, NAMESPACE_NAME) is None


def test_an_eviction_costs_what_the_pod_held(empty: Api, tmp_path: Path) -> None:
    folder, cells = ran(
        tmp_path, "matrix.state=[memory]", "matrix.fault=[evict]", *PHASES, "phases.fault_s=8"
    )
    cell = cells["memory"]
    (fault,) = cell.faults
    assert len(fault.victims) == 1
    assert cell.sessions.lost == victims_own_count(folder, cell.name) > 0
    assert cell.lost_by_cause == {"evicted": cell.sessions.lost}
