"""Every shipped experiment by the command line, shortened to seconds: on the local cluster, which is opened
once for all of them, and on Kubernetes what the local one cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from statefall.cli import run as command_line
from statefall.cli.main import invoke
from statefall.clusters import registry
from statefall.clusters.local import LocalCluster
from statefall.conductor import choice as choice_of_cluster
from statefall.conductor.experiment import Experiment
from statefall.conductor.plan import Plan, make_plan
from statefall.conductor.reading import read
from statefall.conductor.services import services_of, twins
from statefall.results.model import Summary
from tests.main_job.conductor import overrides, run_folder
from tests.shipped.experiments import FILES, Shortened, covering

ON_KUBERNETES = covering("kubernetes")

pytestmark = pytest.mark.shipped


class Standing(LocalCluster):
    """One that a run neither opens nor closes."""

    def open(self) -> None:
        """It is open."""

    def close(self) -> None:
        """Others use it afterwards."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    files = [(read(file), file) for file in FILES.values()]
    others = [services_of(asked, file) for asked, file in files if not asked.of_twins]
    services = (twins(), *chain.from_iterable(others))
    found = Standing(tmp_path_factory.mktemp("cluster"), services=services)
    LocalCluster.open(found)
    yield found
    LocalCluster.close(found)


def run(experiment: Shortened, choice: str, here: Path, patch: pytest.MonkeyPatch) -> Summary:
    """What `statefall run` finds in the cells that were chosen."""

    def plan_of(asked: Experiment, **given: Any) -> Plan:
        return experiment.thinned(make_plan(asked, **given))

    patch.setattr(choice_of_cluster, "make_plan", plan_of)
    patch.chdir(here)
    asked = ["run", experiment.name, "--cluster", choice, "--out", "runs"]
    code = invoke([*asked, *overrides(experiment.overrides)])
    assert code in {0, 3, 5}, "it ended with neither a verdict nor a judged run"
    folder = run_folder(here / "runs")
    assert (folder / "report.html").stat().st_size > 0
    return Summary.from_json((folder / "summary.json").read_bytes())


def assert_it_ran(experiment: Shortened, summary: Summary, said: Any) -> None:
    assert "Traceback" not in said.err
    assert "internal error" not in said.err
    assert "report: " in said.out
    assert not summary.partial
    assert {cell.name for cell in summary.cells} == experiment.cells
    for cell in summary.cells:
        assert cell.requests.completed > 0, cell.name
        assert [fault.kind for fault in cell.faults if fault.act_s is None] == [], cell.name
        assert [book for book in cell.books if book.holds is False] == [], cell.name


@pytest.mark.parametrize("experiment", covering("local"), ids=lambda found: found.name)
def test_an_experiment_runs_on_the_local_cluster(
    experiment: Shortened,
    cluster: LocalCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command_line, "open_cluster", lambda *_, **__: cluster)
    summary = run(experiment, "local", tmp_path, monkeypatch)
    assert_it_ran(experiment, summary, capfd.readouterr())


@pytest.mark.kubernetes
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("whole_cluster")
@pytest.mark.parametrize("experiment", ON_KUBERNETES, ids=lambda found: found.name)
def test_an_experiment_runs_on_kubernetes_where_the_local_cluster_cannot(
    experiment: Shortened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STATEFALL_NAMESPACE", "statefall-shipped")
    summary = run(experiment, "kubernetes", tmp_path, monkeypatch)
    assert_it_ran(experiment, summary, capfd.readouterr())


def test_no_experiment_is_forgotten() -> None:
    here = {experiment.name for choice in registry.names() for experiment in covering(choice)}
    assert here == set(FILES)
