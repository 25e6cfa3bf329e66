"""The default experiment on Kubernetes ends as it does on the local cluster, and leaves nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import NAMESPACE
from statefall.content import PUBLISHED
from statefall.records.terms import Balancer, Service
from statefall.results.model import Cell, Outcome, Summary
from tests.kubernetes.conftest import target
from tests.kubernetes.timeline import vacant
from tests.main_job.conductor import call, overrides, run_folder
from tests.main_job.test_default_experiment import A_QUARTER, victims_own_count

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

NAMESPACE_NAME = "statefall-experiment"
LOCALLY = {
    (cell.service, cell.balancer): cell
    for cell in Summary.from_json((PUBLISHED / "seed-7-local" / "summary.json").read_bytes()).cells
}
"""What the same seed ended with on the local cluster: the record that docs/kubernetes.md shows."""
PHASES = overrides(("phases.baseline_s=3", "phases.recovery_s=6", f"gates.6.value={A_QUARTER}"))
"""The warm-up as it is: every shopper must have come, on a busy machine too."""


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A namespace's name under which nothing stands."""
    monkeypatch.setenv("STATEFALL_NAMESPACE", NAMESPACE_NAME)
    with vacant(target(NAMESPACE_NAME)) as api:
        yield api


def assert_predicted(cell: Cell, lost: int) -> None:
    """So many are within what is predicted for the cell."""
    low, high = cell.predicted_lost.low, cell.predicted_lost.high
    assert low is not None
    assert high is not None
    assert low <= lost <= high


def test_the_default_experiment_loses_what_it_loses_locally(empty: Api, tmp_path: Path) -> None:
    command = ("run", "--cluster", "kubernetes", "--seed", "7", "--out", "runs", *PHASES)
    done = call(*command, cwd=tmp_path, timeout_s=540.0)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    folder = run_folder(tmp_path / "runs")
    summary = Summary.from_json((folder / "summary.json").read_bytes())
    assert summary.cluster == "kubernetes"
    assert summary.valid
    assert summary.verdict is Outcome.PASSED
    cells = {(cell.service, cell.balancer): cell for cell in summary.cells}
    for balancer in (Balancer.PLAIN, Balancer.STICKY):
        stateless = cells[Service.STATELESS, balancer]
        assert stateless.sessions.at_fault >= 90
        assert stateless.sessions.kept == stateless.sessions.at_fault
        assert stateless.lost_before_fault == 0
    sticky = cells[Service.STATEFUL, Balancer.STICKY]
    lost = sticky.sessions.lost
    assert 0 < lost < sticky.sessions.at_fault
    assert lost == victims_own_count(folder, sticky.name)
    assert sticky.lost_by_cause == {"pod_killed": lost}
    assert_predicted(sticky, lost)
    plain = cells[Service.STATEFUL, Balancer.PLAIN]
    assert_predicted(plain, plain.sessions.lost)
    for cell in summary.cells:
        local = LOCALLY[cell.service, cell.balancer]
        assert local.predicted_lost.low is not None
        assert local.predicted_lost.high is not None
        if cell.lost_before_fault == local.lost_before_fault == 0:
            assert local.predicted_lost.low <= cell.sessions.lost <= local.predicted_lost.high
    for file in ("events.jsonl", "latency.hlog", "report.html"):
        assert (folder / file).stat().st_size > 0
    assert empty.get(NAMESPACE, NAMESPACE_NAME) is None
