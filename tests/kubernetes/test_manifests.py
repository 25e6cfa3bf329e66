"""What a run changes in the manifests, and that it changes nothing else."""

from __future__ import annotations

import copy

import pytest

from statefall.clusters.kubernetes.objects import manifests, store_commands
from statefall.clusters.kubernetes.objects.demand import Size, needs, shortages
from statefall.clusters.kubernetes.objects.kinds import Object, kind_of, labels_of, name_of
from statefall.clusters.kubernetes.objects.labels import label_value
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.records.cells import CellSpec
from statefall.records.errors import InputError
from statefall.records.terms import Balancer, Service, StateDesign

TARGET = RunTarget(namespace="elsewhere", image="registry.example/statefall:9")
WANTED = CellSpec(
    name="c1-stateful-sticky",
    service=Service.STATEFUL,
    state=StateDesign.HANDOFF,
    balancer=Balancer.STICKY,
    replicas=5,
    grace_s=20.0,
    pre_stop_s=4.0,
    settings={"STATEFALL_THREADS": "4", "STATEFALL_SECURE_COOKIES": "1"},
)


@pytest.fixture(scope="module")
def sticky() -> tuple[Object, ...]:
    return manifests.render("overlays/sticky")


@pytest.fixture
def cell(sticky: tuple[Object, ...]) -> dict[str, Object]:
    made = manifests.settled(manifests.cell(sticky, WANTED), TARGET, "run-1")
    return {obj["kind"]: obj for obj in made}


def environment(obj: Object) -> dict[str, str]:
    (container,) = obj["spec"]["template"]["spec"]["containers"]
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names))
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_a_cell_is_one_twin_under_its_own_name(cell: dict[str, Object]) -> None:
    assert set(cell) == {"Deployment", "Service", "Ingress", "PodDisruptionBudget"}
    for obj in cell.values():
        assert name_of(obj) == "c1-stateful-sticky"
        assert obj["metadata"]["namespace"] == "elsewhere"
        assert labels_of(obj)["statefall/run"] == "run-1"


def test_all_selectors_of_a_cell_mean_the_cell(cell: dict[str, Object]) -> None:
    mine = {"statefall/deployment": "c1-stateful-sticky"}
    deployment = cell["Deployment"]["spec"]
    assert deployment["selector"]["matchLabels"] == mine
    assert mine.items() <= deployment["template"]["metadata"]["labels"].items()
    spread = deployment["template"]["spec"]["topologySpreadConstraints"][0]
    assert spread["labelSelector"]["matchLabels"] == mine
    assert cell["Service"]["spec"]["selector"] == mine
    assert cell["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == mine
    (rule,) = cell["Ingress"]["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == "c1-stateful-sticky"


def test_the_keys_of_a_run_lie_apart_from_those_of_what_is_applied_by_hand(
    sticky: tuple[Object, ...], cell: dict[str, Object]
) -> None:
    by_hand = {
        environment(obj)["STATEFALL_STORE_URL"]
        for obj in sticky
        if obj["kind"] == "Deployment" and labels_of(obj)["app.kubernetes.io/component"] == "replica"
    }
    assert by_hand == {"redis://:$(STORE_PASSWORD)@store:6379/0"}
    assert environment(cell["Deployment"])["STATEFALL_STORE_URL"] == "redis://:$(STORE_PASSWORD)@store:6379/1"
    first, second = store_commands.DATABASES
    (next_one,) = [t for t in manifests.cell(sticky, WANTED, second) if t["kind"] == "Deployment"]
    assert environment(next_one)["STATEFALL_STORE_URL"] == "redis://:$(STORE_PASSWORD)@store:6379/2"
    assert store_commands.empty(first) == "valkey-cli -n 1 flushdb"


def test_a_cell_runs_with_its_settings(cell: dict[str, Object]) -> None:
    deployment = cell["Deployment"]
    found = environment(deployment)
    assert found["STATEFALL_STATE"] == "handoff"
    assert found["STATEFALL_THREADS"] == "4"
    assert found["STATEFALL_SECURE_COOKIES"] == "1"
    assert found["STATEFALL_GRACEFUL_TIMEOUT_S"] == "15"
    spec = deployment["spec"]["template"]["spec"]
    assert deployment["spec"]["replicas"] == 5
    assert spec["terminationGracePeriodSeconds"] == 20
    assert spec["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 4}}}
    assert spec["containers"][0]["image"] == "registry.example/statefall:9"


def test_without_a_wait_there_is_no_pre_stop(sticky: tuple[Object, ...]) -> None:
    hasty = CellSpec("c1", Service.STATEFUL, StateDesign.MEMORY, Balancer.STICKY, 1, pre_stop_s=0.0)
    (deployment,) = [t for t in manifests.cell(sticky, hasty) if t["kind"] == "Deployment"]
    assert "lifecycle" not in deployment["spec"]["template"]["spec"]["containers"][0]


def test_what_was_rendered_is_not_changed(sticky: tuple[Object, ...]) -> None:
    before = copy.deepcopy(sticky)
    manifests.settled(manifests.cell(sticky, WANTED), TARGET, "run-1")
    manifests.settled(sticky, TARGET, "run-1")
    assert sticky == before


def test_cells_and_infrastructure_share_nothing(sticky: tuple[Object, ...]) -> None:
    shared = {(kind_of(t).name, name_of(t)) for t in manifests.infrastructure(sticky)}
    assert ("Deployment", "balancer") in shared
    assert ("StatefulSet", "store") in shared
    assert not {name for _, name in shared} & {"stateful", "stateless"}


@pytest.mark.parametrize(("workers", "kinds"), [(1, {"Job"}), (3, {"Job", "Deployment"})])
def test_workers_come_only_where_there_are_several(workers: int, kinds: set[str]) -> None:
    made = manifests.load(manifests.render("load"), b"{}", workers, TARGET, "run-1")
    assert {t["kind"] for t in made if "template" in t.get("spec", {})} == kinds
    (job,) = [t for t in made if t["kind"] == "Job"]
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert ("--master" in arguments) == (workers > 1)
    assert (f"--expect-workers={workers}" in arguments) == (workers > 1)
    for deployment in (t for t in made if t["kind"] == "Deployment"):
        assert deployment["spec"]["replicas"] == workers


def test_a_load_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"load\.shoppers"):
        manifests.load((), b"x" * 1_000_001, 1, TARGET, "run-1")


def test_a_quota_that_leaves_too_little_is_named(sticky: tuple[Object, ...]) -> None:
    quota = {
        "metadata": {"name": "small"},
        "spec": {},
        "status": {"hard": {"pods": "8", "cpu": "10", "secrets": "1"}, "used": {"pods": "2", "cpu": "0"}},
    }
    wanted = needs([*sticky, *manifests.render("load")], Size(replicas=3, workers=1))
    (message,) = shortages(quota, wanted)
    assert message == "small leaves 6 of pods, 7 are needed"


def test_a_quota_is_asked_for_the_replicas_and_workers_of_the_run(sticky: tuple[Object, ...]) -> None:
    rendered = [*sticky, *manifests.render("load")]
    one, many = (needs(rendered, Size(5, workers)) for workers in (1, 4))
    assert one["pods"] == 3 + 5 + 1  # database, store and balancer; replicas; one load generator
    assert many["pods"] == one["pods"] + 4
    assert many["limits.cpu"] == one["limits.cpu"] + 4


@pytest.mark.parametrize(
    ("grace_s", "pre_stop_s", "part"),
    [
        (3.0, 2.0, "deploy.grace_s: 3 s leave a replica no time"),
        (10.0, 0.5, "deploy.pre_stop_s: Kubernetes counts in whole seconds, not 0.5"),
        (10.5, 1.0, "deploy.grace_s: Kubernetes counts in whole seconds, not 10.5"),
    ],
)
def test_an_end_that_does_not_fit_into_the_grace_period_is_refused(
    grace_s: float, pre_stop_s: float, part: str
) -> None:
    with pytest.raises(InputError) as error:
        manifests.ending(grace_s, pre_stop_s)
    assert part in str(error.value)


@pytest.mark.parametrize(("grace_s", "pre_stop_s"), [(2.0, 0.0), (4.0, 2.0), (10.0, 1.0), (20.0, 3.0)])
def test_pre_stop_and_graceful_timeout_end_before_the_grace_period(grace_s: float, pre_stop_s: float) -> None:
    sleep_s, graceful_timeout_s = manifests.ending(grace_s, pre_stop_s)
    assert graceful_timeout_s >= 1
    assert sleep_s + graceful_timeout_s < grace_s


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("20261124T055221Z-default-5b66d8", "20261124T055221Z-default-5b66d8"),
        ("my run/1", "my-run-1"),
        ("x" * 80, "x" * 63),
        ("--", "run"),
    ],
)
def test_a_run_is_named_by_a_label_that_is_allowed(name: str, label: str) -> None:
    assert label_value(name) == label
