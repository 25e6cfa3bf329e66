"""Manifests of a service file: made before a run, removed after it, and nobody else's object touched."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from statefall.cli.main import invoke
from statefall.clusters.kubernetes.api.access import configuration
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.attached.cluster import AttachedCluster, AttachedPlan
from statefall.clusters.kubernetes.objects.kinds import CONFIG_MAP, DEPLOYMENT, LEASE
from statefall.clusters.kubernetes.ownership.lease import NAME as LEASE_NAME
from statefall.clusters.kubernetes.ownership.lease import made_note
from statefall.conductor.choice import plan_for
from statefall.conductor.reading import read
from statefall.records.load import LoadConfig
from statefall.results.stored import StoredRun
from tests.kubernetes.access import as_service_account
from tests.kubernetes.conftest import target
from tests.kubernetes.hand import kubectl
from tests.kubernetes.timeline import removed
from tests.main_job.conductor import STATEFALL, run_folder, wait_gone

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(500)]

HERE = Path(__file__).parent / "shop"
NAMESPACE_NAME = "made-test"
NODE_PORT = 30481
EVERYTHING = (
    "pods,services,configmaps,deployments,replicasets,ingresses,serviceaccounts,roles,rolebindings,leases,"
    "endpointslices,secrets"
)
NOTE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "note"}, "data": {"text": "ours"}}
PHASES = {"warmup_s": 6, "baseline_s": 1, "fault_s": 2, "recovery_s": 12}


@dataclass(frozen=True)
class Empty:
    """A namespace in which nothing of the service stands, and the user's folder."""

    api: Api
    folder: Path

    def stands(self) -> set[tuple[str, str, str]]:
        """Kind, name and UID of everything in the namespace."""
        found = json.loads(kubectl("-n", NAMESPACE_NAME, "get", EVERYTHING, "-o", "json"))["items"]
        return {(obj["kind"], obj["metadata"]["name"], obj["metadata"]["uid"]) for obj in found}

    def written(self, **phases: float) -> str:
        """The user's file."""
        addresses = '{.items[0].status.addresses[?(@.type=="InternalIP")].address}'
        node = kubectl("get", "nodes", "-o", f"jsonpath={addresses}")
        document: dict[str, Any] = {
            "name": "rollout",
            "summary": "What do our users lose?",
            "service": {
                "journey": f"{HERE / 'buyer.py'}:Buyer",
                "state": "replica",
                "kubernetes": {
                    "deployment": "shop",
                    "namespace": NAMESPACE_NAME,
                    "url": f"http://{node}:{NODE_PORT}",
                    "manifests": ["note.yaml", "shop"],
                },
                "host": "shop.example.com",
                "answered_by": {"header": "X-Pod"},
            },
            "matrix": {"fault": ["delete"]},
            "load": {"shoppers": 10, "arrivals_s": 2, "think_time_s": 0.5},
            "phases": {**PHASES, **phases},
        }
        file = self.folder / "rollout.yaml"
        file.write_text(yaml.safe_dump(document))
        return str(file)


@pytest.fixture(scope="module")
def namespace() -> Iterator[Api]:
    api = Api(configuration(target()), NAMESPACE_NAME)
    removed(api)
    try:
        kubectl("create", "namespace", NAMESPACE_NAME)
        kubectl("-n", NAMESPACE_NAME, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        kubectl("-n", NAMESPACE_NAME, "wait", "--for=create", "configmap/kube-root-ca.crt", "--timeout=60s")
        yield api
    finally:
        removed(api)
        api.close()


@pytest.fixture
def empty(namespace: Api, tmp_path: Path) -> Iterator[Empty]:
    """Whatever a test does, afterwards the namespace holds what it held before, and no more."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("shop.yaml", "shop.py"):
        shutil.copy(HERE / name, folder)
    port = [{"op": "replace", "path": "/spec/ports/0/nodePort", "value": NODE_PORT}]
    kustomization = {
        "resources": ["shop.yaml"],
        "configMapGenerator": [{"name": "shop-code", "files": ["shop.py"]}],
        "patches": [{"target": {"kind": "Service", "name": "traefik"}, "patch": json.dumps(port)}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    (tmp_path / "note.yaml").write_text(yaml.safe_dump(NOTE))
    found = Empty(namespace, tmp_path)
    before = found.stands()
    yield found
    assert found.stands() == before


def started(empty: Empty, file: str) -> subprocess.Popen[str]:
    command = [STATEFALL, "run", file, "--cluster", "kubernetes", "--yes", "--json"]
    out = str(empty.folder / "out")
    return subprocess.Popen([*command, "--out", out], stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], name: signal.Signals) -> None:
    """Signalled, waited for, and read to its end."""
    process.send_signal(name)
    process.communicate(timeout=200)


def reached(process: subprocess.Popen[str], phase: str) -> None:
    """Return once the run says that this phase has begun."""
    assert process.stdout is not None
    for line in process.stdout:
        said = json.loads(line)
        if (said["kind"], said.get("phase")) == ("phase", phase):
            return
    raise AssertionError(f"it ended before {phase}")


def test_a_run_makes_what_is_given_meets_its_fault_and_leaves_the_namespace_as_before(
    empty: Empty, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = empty.written(), str(empty.folder / "out")
    before = empty.stands()
    assert invoke(["run", file, "--cluster", "kubernetes", "--dry-run", "--out", out]) == 0
    said = capsys.readouterr().out
    assert "Deployment shop, Deployment traefik" in said
    assert "3 replicas, at most 1 down at once" in said
    assert said.endswith("nothing was changed\n")
    assert empty.stands() == before
    assert invoke(["run", file, "--cluster", "kubernetes", "--out", out]) == 2
    assert "does not carry the label" in capsys.readouterr().err
    assert invoke(["run", file, "--cluster", "kubernetes", "--yes", "--out", out]) == 0, capsys.readouterr()
    assert empty.stands() == before
    stored = StoredRun(run_folder(Path(out)))
    (load,) = stored.loads().values()
    homes = {record.pod for record in load.sessions if record.live_at_mark}
    assert len(homes) == 3, "the balancer that was made spread them over three replicas"


@pytest.mark.usefixtures("whole_cluster")
def test_what_a_killed_conductor_made_is_removed_by_recover_and_nothing_else(
    empty: Empty, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ("-n", NAMESPACE_NAME)
    monkeypatch.setenv("STATEFALL_NAMESPACE", NAMESPACE_NAME)  # others may work in the usual one
    process = started(empty, empty.written(fault_s=60))
    try:
        reached(process, "baseline")
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        ended(process, signal.SIGKILL)
    assert wait_gone(children) == []
    lease = empty.api.get(LEASE, LEASE_NAME)
    assert lease is not None
    assert "traefik" in made_note(lease)
    kubectl(*here, "delete", "configmap", "note")
    kubectl(*here, "create", "configmap", "note", "--from-literal=text=theirs")
    try:
        assert empty.api.get(DEPLOYMENT, "shop") is not None
        assert invoke(["recover", "--cluster", "kubernetes"]) == 0
        said = capsys.readouterr().out
        assert f"namespace {NAMESPACE_NAME}: removed Deployment shop" in said
        assert "ConfigMap note" not in said
        theirs = empty.api.get(CONFIG_MAP, "note")
        assert theirs is not None
        assert theirs["data"] == {"text": "theirs"}
    finally:
        kubectl(*here, "delete", "configmap", "note", "--ignore-not-found")


@pytest.mark.usefixtures("whole_cluster")
def test_the_next_run_goes_over_a_dead_one_and_a_signal_removes_all(empty: Empty) -> None:
    file = empty.written(fault_s=60)
    first = started(empty, file)
    try:
        reached(first, "warmup")
        children = psutil.Process(first.pid).children(recursive=True)
    finally:
        ended(first, signal.SIGKILL)
    assert wait_gone(children) == []
    dead = empty.api.get(DEPLOYMENT, "shop")
    assert dead is not None
    second = started(empty, file)
    try:
        reached(second, "warmup")
        living = empty.api.get(DEPLOYMENT, "shop")
        assert living is not None
        assert living["metadata"]["uid"] != dead["metadata"]["uid"]
    finally:
        ended(second, signal.SIGTERM)


def refused(empty: Empty, capsys: pytest.CaptureFixture[str], file: Path | None = None) -> str:
    """What a run says that is refused in one line."""
    capsys.readouterr()
    arguments = ["run", str(file or empty.written()), "--cluster", "kubernetes", "--yes"]
    assert invoke([*arguments, "--out", str(empty.folder / "out")]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    return said


def test_what_stands_already_or_has_no_namespace_is_refused(
    empty: Empty, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ("-n", NAMESPACE_NAME)
    kubectl(*here, "create", "configmap", "note", "--from-literal=text=theirs")
    try:
        before = empty.stands()
        said = refused(empty, capsys)
        assert f"ConfigMap note stands already in namespace {NAMESPACE_NAME}" in said
        assert "leave `manifests` out" in said
        assert empty.stands() == before
    finally:
        kubectl(*here, "delete", "configmap", "note")
    rbac = "rbac.authorization.k8s.io/v1"
    role = {"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": []}
    (empty.folder / "note.yaml").write_text(yaml.safe_dump(role))
    assert "ClusterRole reader belongs to no namespace" in refused(empty, capsys)
    (empty.folder / "note.yaml").write_text(yaml.safe_dump({**NOTE, "data": {"number": 1}}))
    assert "cannot create ConfigMap note" in refused(empty, capsys)


def test_a_pod_that_cannot_start_is_named_and_all_is_removed(
    empty: Empty, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = empty.folder / "shop" / "shop.yaml"
    shop.write_text(shop.read_text().replace("python:3.11-slim", "nobody.invalid/nothing:1"))
    arguments = ["run", empty.written(), "--cluster", "kubernetes", "--yes"]
    assert invoke([*arguments, "--out", str(empty.folder / "out")]) != 0
    assert "the image nobody.invalid/nothing:1 cannot be had" in capsys.readouterr().err


class NoLoad:
    """No load: for what is asked of the cluster alone."""

    def start_load(self, config: LoadConfig) -> str:
        return config.target

    def load_end(self) -> str:
        return ""

    def stop_load(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing was taken."""


def test_the_role_that_doctor_prints_is_enough_to_make_and_to_remove(
    empty: Empty, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = empty.folder / "shop" / "shop.yaml"
    objects = list(yaml.safe_load_all(shop.read_text()))
    granting = ("Role", "RoleBinding")
    shop.write_text(yaml.safe_dump_all([obj for obj in objects if obj["kind"] not in granting]))
    file = Path(empty.written())
    assert invoke(["doctor", str(file), "--cluster", "kubernetes", "--role"]) == 0
    role = empty.folder / "role.yaml"
    role.write_text(capsys.readouterr().out)
    kubectl("apply", "-f", str(role))
    try:
        kubeconfig = as_service_account(empty.api, "statefall", empty.folder)
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        assert invoke(["doctor", str(file), "--cluster", "kubernetes"]) == 0, capsys.readouterr()
        plan = plan_for("kubernetes", file, read(file), seed=1, repeats=1)
        cluster = AttachedCluster(
            empty.folder / "run", AttachedPlan(plan.services, plan.cells, confirmed=True), load=NoLoad()
        )
        try:
            cluster.open()
            assert empty.api.get(DEPLOYMENT, "shop") is not None
        finally:
            cluster.close()
        shop.write_text(yaml.safe_dump_all(objects))
        assert "you may not create roles, get roles traefik" in refused(empty, capsys, file)
    finally:
        monkeypatch.undo()
        kubectl("delete", "-f", str(role))
