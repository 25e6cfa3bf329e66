"""A conductor that is killed in the middle: nobody else may come in its place until it is surely dead,
and then everything is put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters.kubernetes import KubernetesCluster
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.objects.kinds import (
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    LEASE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import COMPONENT, OURS
from statefall.records.errors import InputError
from tests.kubernetes.conftest import deployment, target
from tests.kubernetes.leftovers import cordoned, left_by_runs, made_by_runs, nodes_as_before
from tests.kubernetes.timeline import vacant
from tests.main_job.conductor import ONE_CELL, SMALL_LOAD, Conductor, call, overrides
from tests.main_job.test_wrong_input import refused

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("whole_cluster"),
]

NAME = "statefall-killed"
FAULTS = "faults=[{kind: pause, duration_s: 60}, {kind: drain}, {kind: store-outage, duration_s: 60}]"
PHASES = ("phases.warmup_s=2", "phases.baseline_s=1", "phases.fault_s=60", "load.arrivals_s=1")
CELL = "c1-stateful-memory-sticky"
OF_A_CELL = {
    *(f"{kind} {CELL}" for kind in ("Deployment", "Service", "Ingress", "PodDisruptionBudget")),
    *("Job load", "Deployment load-workers", "Service load", "ConfigMap load"),
    *("NetworkPolicy load", "NetworkPolicy load-to-replica"),
}
"""What a run makes for a cell and its load."""
RUN = (
    *("--cluster", "kubernetes", "--out", "runs"),
    *overrides(ONE_CELL, SMALL_LOAD, PHASES, ("replicas=2", "load.workers=2", FAULTS)),
)


@pytest.fixture
def spoiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("STATEFALL_NAMESPACE", NAME)
    with vacant(target(NAME)) as api, nodes_as_before(api):
        yield api


def killed_in_the_middle(api: Api, here: Path) -> str:
    """A run is killed under load, with a replica paused, a node cordoned and the store off; the node."""
    before = cordoned(api)
    conductor = Conductor.start(*RUN, cwd=here)
    try:
        conductor.until(lambda line: line["kind"] == "cell")
        assert "under way" in refused("recover", "--cluster", "kubernetes", cwd=here)
        conductor.until(lambda line: line["kind"] == "fault_observed" and line["fault"] == "f3")
    finally:
        conductor.process.kill()
        conductor.end()
    (node,) = cordoned(api) - before
    return node


def recovered(here: Path) -> list[str]:
    """What the command says that it put back."""
    done = call("recover", "--cluster", "kubernetes", cwd=here)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_a_killed_conductor_left_is_put_back(spoiled: Api, tmp_path: Path) -> None:
    node = killed_in_the_middle(spoiled, tmp_path)
    assert set(made_by_runs(spoiled)) >= OF_A_CELL
    assert f"uncordoned node {node}" in recovered(tmp_path)
    assert node not in cordoned(spoiled)
    assert spoiled.get(NAMESPACE, NAME) is None
    assert recovered(tmp_path) == ["nothing to recover"]


def test_an_installation_that_stood_before_stands_afterwards(spoiled: Api, tmp_path: Path) -> None:
    existing = KubernetesCluster(Path("by-hand"), target=target(spoiled.namespace))
    existing.open()
    # As if set up by hand: the namespace and what is in it belong to no run.
    for kind in (POD, SERVICE, JOB, DEPLOYMENT, STATEFUL_SET, DISRUPTION_BUDGET, NETWORK_POLICY, SECRET):
        for obj in spoiled.list(kind, OURS).items:
            spoiled.patch(kind, name_of(obj), {"metadata": {"labels": {"statefall/run": None}}})
    spoiled._patch(NAMESPACE, spoiled.namespace, {"metadata": {"labels": {"statefall/run": None}}})
    existing._opened.lease.release()

    assert made_by_runs(spoiled) == []
    node = killed_in_the_middle(spoiled, tmp_path)
    assert set(made_by_runs(spoiled)) >= OF_A_CELL
    assert "the session store answers again" in recovered(tmp_path)
    assert node not in cordoned(spoiled)
    assert left_by_runs(spoiled) == []
    assert spoiled.get(LEASE, "statefall-conductor") is None
    assert spoiled.get(DEPLOYMENT, "balancer") is not None
    (store,) = spoiled.list(POD, f"{OURS},{COMPONENT}=store").items
    assert "* -::*" in run_in(spoiled, name_of(store), ["sh", "-c", "valkey-cli config get bind"]).output

    again = KubernetesCluster(Path("after"), target=target(spoiled.namespace))
    again.open()
    again.deploy(deployment(replicas=1))
    again.close()
    assert spoiled.get(DEPLOYMENT, "c1") is None
    assert spoiled.get(DEPLOYMENT, "balancer") is not None


def test_the_next_run_clears_by_itself_what_a_dead_one_left(spoiled: Api, tmp_path: Path) -> None:
    node = killed_in_the_middle(spoiled, tmp_path)
    cluster = KubernetesCluster(Path("next"), target=target(spoiled.namespace))
    try:
        cluster.open()
        assert node not in cordoned(spoiled)
        assert OF_A_CELL.isdisjoint(made_by_runs(spoiled))
        cluster.deploy(deployment(replicas=1))
    finally:
        cluster.close()
    assert spoiled.get(NAMESPACE, spoiled.namespace) is None


def test_two_runs_do_not_share_a_namespace(opened: KubernetesCluster) -> None:
    second = KubernetesCluster(Path("second"), target=target())
    with pytest.raises(InputError, match="under way"):
        second.open()
    opened.deploy(deployment(replicas=1))
    opened.withdraw()
