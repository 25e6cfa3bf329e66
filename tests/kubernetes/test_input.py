"""What a user can get wrong: one clear line each, and nothing left behind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters.kubernetes import KubernetesCluster, RunTarget, Size, doctor, recover
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.kinds import (
    DEPLOYMENT,
    JOB,
    NAMESPACE,
    POD,
    QUOTA,
    STATEFUL_SET,
    Object,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import PART_OF
from statefall.clusters.protocol import ClusterError
from statefall.content import MANIFESTS
from statefall.records.errors import EnvironmentUnfit, InputError
from statefall.records.load import LoadConfig, LoadSpec
from tests.kubernetes.access import as_service_account, grant, rules_of
from tests.kubernetes.conftest import deployment, target
from tests.kubernetes.timeline import another, vacant

on_a_cluster = pytest.mark.kubernetes
SOON_S = 90.0
"""On a busy machine too; whoever only waits for pods waits 5 minutes."""


# -- without a cluster ------------------------------------------------------------------------------


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Names a cluster at a port where nobody listens."""
    file = tmp_path / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "me", "user": {"token": "none"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    }
    file.write_text(json.dumps(document))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert error.value.exit_code == 2
    return text


def test_no_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(EnvironmentUnfit) as error:
        KubernetesCluster(tmp_path, target=RunTarget()).open()
    assert "no cluster is configured" in one_line(error)
    (check,) = doctor(RunTarget())
    assert not check.fine
    with pytest.raises(EnvironmentUnfit):
        recover(RunTarget())


def test_no_cluster(kubeconfig: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnfit) as error:
        KubernetesCluster(tmp_path, target=RunTarget()).open()
    line = one_line(error)
    assert "https://127.0.0.1:9 does not answer" in line
    assert "refused" in line
    (check,) = doctor(RunTarget())
    assert not check.fine


def test_wrong_context(kubeconfig: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        KubernetesCluster(tmp_path, target=RunTarget(kubeconfig_context="there")).open()
    line = one_line(error)
    assert "no context 'there'" in line
    assert "it has: here" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"clusters: [\n  - }", "is not YAML at line 2"),
        (b"\xff\xfe\x00", "cannot be read: it is no text"),
        (b"just words", "is no kubeconfig"),
        (b"clusters: 5\ncontexts: x\nusers: {}\n", "kubeconfig: cannot be used"),
    ],
)
def test_a_kubeconfig_that_is_none(kubeconfig: Path, tmp_path: Path, content: bytes, message: str) -> None:
    kubeconfig.write_bytes(content)
    with pytest.raises(InputError) as error:
        KubernetesCluster(tmp_path, target=RunTarget()).open()
    assert message in one_line(error)
    (check,) = doctor(RunTarget())
    assert not check.fine


def test_a_kubeconfig_that_cannot_be_read(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path))
    with pytest.raises(InputError) as error:
        KubernetesCluster(tmp_path, target=RunTarget()).open()
    assert "cannot be read: Is a directory" in one_line(error)


@pytest.mark.parametrize("name", ["Shop", "a_b", "-a", "a.b", "a" * 64, " "])
def test_a_namespace_that_no_cluster_takes(name: str) -> None:
    with pytest.raises(InputError) as error:
        RunTarget.from_environment({"STATEFALL_NAMESPACE": name})
    assert "STATEFALL_NAMESPACE: no namespace can be called" in one_line(error)


def test_a_cluster_that_is_not_open_does_nothing(tmp_path: Path) -> None:
    cluster = KubernetesCluster(tmp_path, target=RunTarget())
    cluster.stop_load()
    cluster.close()
    cluster.close()
    with pytest.raises(ClusterError, match="not open"):
        cluster.pods()


# -- on a cluster -----------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Api]:
    """A namespace that each test may spoil in its own way; afterwards it is gone."""
    with vacant(target(another("statefall-spoiled"))) as api:
        yield api


def make_namespace(api: Api, **labels: str) -> None:
    api._json(  # the guard of `create` is what is tested here
        "POST",
        "/api/v1/namespaces",
        "make a namespace",
        body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": api.namespace, "labels": labels}},
    )


def refused(api: Api, size: Size | None = None) -> str:
    """What a run in this namespace is told that may not begin."""
    with pytest.raises(EnvironmentUnfit) as error:
        KubernetesCluster(Path("r"), target=target(api.namespace), size=size).open()
    return one_line(error)


@on_a_cluster
def test_a_namespace_of_somebody_else_is_left_alone(elsewhere: Api) -> None:
    make_namespace(elsewhere)
    assert "not Statefall's" in refused(elsewhere)
    existing = elsewhere.get(NAMESPACE, elsewhere.namespace)
    assert existing is not None
    assert "deletionTimestamp" not in existing["metadata"]


@on_a_cluster
def test_missing_verbs_are_named(elsewhere: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_namespace(elsewhere, **{PART_OF: "statefall"})
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["namespaces", "services"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["list"]},
    ]
    grant(elsewhere, "weak", rules)
    monkeypatch.setenv("KUBECONFIG", str(as_service_account(elsewhere, "weak", tmp_path)))
    line = refused(elsewhere)
    assert "delete pods" in line
    assert "create pods/exec" in line
    assert "watch pods," not in line
    checks = {check.name: check for check in doctor(target(elsewhere.namespace))}
    assert checks["cluster"].fine
    assert not checks["permissions"].fine


def quota(**hard: str) -> Object:
    return {
        "apiVersion": QUOTA.api_version,
        "kind": QUOTA.name,
        "metadata": {"name": "small", "labels": {PART_OF: "statefall"}},
        "spec": {"hard": hard},
    }


@on_a_cluster
def test_a_quota_that_is_too_small_is_named_before_anything_is_made(elsewhere: Api) -> None:
    make_namespace(elsewhere, **{PART_OF: "statefall"})
    elsewhere.create(quota(pods="3"))
    line = refused(elsewhere)
    assert "exceeded quota" in line
    assert "of pods" in line


@on_a_cluster
@pytest.mark.timeout(400)
def test_a_quota_that_runs_out_later_is_named_soon(elsewhere: Api) -> None:
    cluster = KubernetesCluster(Path("r"), target=target(elsewhere.namespace))
    try:
        cluster.open()
        elsewhere.create(quota(pods="5"))
        with pytest.raises(EnvironmentUnfit) as for_replicas:
            cluster.deploy(deployment(replicas=4))
        cluster.withdraw()
        elsewhere.delete(QUOTA, "small")
        cluster.deploy(deployment(replicas=1))
        elsewhere.create(quota(pods="4"))
        began = time.monotonic()
        with pytest.raises(EnvironmentUnfit) as for_load:
            cluster.start_load(LoadConfig.of(LoadSpec(), cell="c1", seed=1, shoppers=()))
        took_s = time.monotonic() - began
    finally:
        cluster.close()
    assert "exceeded quota" in one_line(for_replicas)
    assert "Job load" in one_line(for_load)
    assert "exceeded quota" in one_line(for_load)
    assert took_s < SOON_S
    assert elsewhere.get(NAMESPACE, elsewhere.namespace) is None


@on_a_cluster
def test_what_the_caller_may_not_make_must_stand_and_is_named(
    elsewhere: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_namespace(elsewhere, **{PART_OF: "statefall"})
    grant(elsewhere, "conductor", rules_of(MANIFESTS / "conductor" / "role.yaml"))
    for obj in manifests.settled(manifests.render("base"), target(elsewhere.namespace), "by-hand"):
        if (obj["kind"], name_of(obj)) in {("Service", "balancer"), ("NetworkPolicy", "deny-all")}:
            elsewhere.create(obj)
    monkeypatch.setenv("KUBECONFIG", str(as_service_account(elsewhere, "conductor", tmp_path)))
    line = refused(elsewhere)
    assert "NetworkPolicy load-to-replica" in line
    assert "StatefulSet database" in line
    assert "kubectl apply -k k8s/conductor" in line
    assert "deny-all" not in line
    assert "drain" not in line
    assert "no node can be drained (you may not patch nodes" in refused(elsewhere, Size(drains=True))
    assert elsewhere.list(DEPLOYMENT).items == ()


@on_a_cluster
@pytest.mark.timeout(400)
def test_a_quota_that_leaves_no_room_for_the_infrastructure_is_named_soon(elsewhere: Api) -> None:
    make_namespace(elsewhere, **{PART_OF: "statefall"})
    elsewhere.create(quota(**{"count/pods": "0"}))
    began = time.monotonic()
    with pytest.raises(EnvironmentUnfit) as error:
        KubernetesCluster(Path("r"), target=target(elsewhere.namespace)).open()
    assert time.monotonic() - began < SOON_S
    line = one_line(error)
    assert "StatefulSet database" in line
    assert "exceeded quota" in line
    assert [
        name_of(obj) for kind in (STATEFUL_SET, DEPLOYMENT, JOB, POD) for obj in elsewhere.list(kind).items
    ] == []
