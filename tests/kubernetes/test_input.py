"""What a user can get wrong: one clear line each, and nothing left behind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.kubernetes import KubernetesCluster, Place, Size, doctor, manifests, recover
from clusters.kubernetes.access import configuration
from clusters.kubernetes.api import PART_OF, Api
from clusters.kubernetes.kinds import DEPLOYMENT, JOB, NAMESPACE, POD, QUOTA, STATEFUL_SET, Object, name_of
from clusters.protocol import ClusterError
from foundation.errors import EnvironmentUnfit, InputError
from tests.kubernetes.access import as_service_account, grant, rules_of
from tests.kubernetes.conftest import deployment, place
from tests.kubernetes.timeline import removed

on_a_cluster = pytest.mark.kubernetes


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
        KubernetesCluster(tmp_path, place=Place()).open()
    assert "no cluster is configured" in one_line(error)
    (check,) = doctor(Place())
    assert not check.fine
    with pytest.raises(EnvironmentUnfit):
        recover(Place())


def test_no_cluster(kubeconfig: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnfit) as error:
        KubernetesCluster(tmp_path, place=Place()).open()
    line = one_line(error)
    assert "https://127.0.0.1:9 does not answer" in line
    assert "refused" in line
    (check,) = doctor(Place())
    assert not check.fine


def test_wrong_context(kubeconfig: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        KubernetesCluster(tmp_path, place=Place(context="there")).open()
    line = one_line(error)
    assert "no context 'there'" in line
    assert "it has: here" in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"clusters: [\n  - }", "is not YAML at line 2"),
        (b"\xff\xfe\x00", "cannot be read: it is no text"),
        (b"just words", "is no kubeconfig"),
        (b"clusters: 5\ncontexts: x\nusers: {}\n", "kubeconfig: cannot be used"),
    ],
)
def test_a_kubeconfig_that_is_none(kubeconfig: Path, tmp_path: Path, content: bytes, words: str) -> None:
    kubeconfig.write_bytes(content)
    with pytest.raises(InputError) as error:
        KubernetesCluster(tmp_path, place=Place()).open()
    assert words in one_line(error)
    (check,) = doctor(Place())
    assert not check.fine


def test_a_kubeconfig_that_cannot_be_read(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path))
    with pytest.raises(InputError) as error:
        KubernetesCluster(tmp_path, place=Place()).open()
    assert "cannot be read: Is a directory" in one_line(error)


@pytest.mark.parametrize("name", ["Shop", "a_b", "-a", "a.b", "a" * 64, " "])
def test_a_namespace_that_no_cluster_takes(name: str) -> None:
    with pytest.raises(InputError) as error:
        Place.from_environment({"STATEFALL_NAMESPACE": name})
    assert "STATEFALL_NAMESPACE: no namespace can be called" in one_line(error)


def test_a_cluster_that_is_not_open_does_nothing(tmp_path: Path) -> None:
    cluster = KubernetesCluster(tmp_path, place=Place())
    cluster.stop_load()
    cluster.close()
    cluster.close()
    with pytest.raises(ClusterError, match="not open"):
        cluster.pods()


# -- on a cluster -----------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Api]:
    """A namespace that each test may spoil in its own way; afterwards it is gone."""
    spoiled = place("statefall-spoiled")
    api = Api(configuration(spoiled), spoiled.namespace)
    removed(api)
    yield api
    removed(api)
    api.close()


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
        KubernetesCluster(Path("r"), place=place(api.namespace), size=size).open()
    return one_line(error)


@on_a_cluster
def test_a_namespace_of_somebody_else_is_left_alone(elsewhere: Api) -> None:
    make_namespace(elsewhere)
    assert "not Statefall's" in refused(elsewhere)
    standing = elsewhere.get(NAMESPACE, elsewhere.namespace)
    assert standing is not None
    assert "deletionTimestamp" not in standing["metadata"]


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
    checks = {check.name: check for check in doctor(place(elsewhere.namespace))}
    assert checks["cluster"].fine
    assert not checks["permissions"].fine


@on_a_cluster
@pytest.mark.timeout(400)
def test_an_image_that_is_not_there_is_named_and_nothing_is_left(elsewhere: Api) -> None:
    cluster = KubernetesCluster(Path("r"), place=place(elsewhere.namespace, image="statefall:never-built"))
    images = {
        check.name: check for check in doctor(place(elsewhere.namespace, image="statefall:never-built"))
    }
    assert "statefall:never-built is not on" in images["images"].words
    with pytest.raises(EnvironmentUnfit) as error:
        cluster.open()
    line = one_line(error)
    assert "statefall:never-built cannot be had" in line
    assert elsewhere.get(NAMESPACE, elsewhere.namespace) is None


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
def test_a_quota_that_runs_out_later_is_named_too(elsewhere: Api) -> None:
    cluster = KubernetesCluster(Path("r"), place=place(elsewhere.namespace))
    try:
        cluster.open()
        elsewhere.create(quota(pods="5"))
        with pytest.raises(EnvironmentUnfit) as error:
            cluster.deploy(deployment(replicas=4))
        assert "exceeded quota" in one_line(error)
    finally:
        cluster.close()
    assert elsewhere.get(NAMESPACE, elsewhere.namespace) is None


@on_a_cluster
def test_what_the_caller_may_not_make_must_stand_and_is_named(
    elsewhere: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_namespace(elsewhere, **{PART_OF: "statefall"})
    grant(elsewhere, "conductor", rules_of(manifests.MANIFESTS / "conductor" / "role.yaml"))
    for thing in manifests.settled(manifests.render("base"), place(elsewhere.namespace), "by-hand"):
        if (thing["kind"], name_of(thing)) in {("Service", "balancer"), ("NetworkPolicy", "deny-all")}:
            elsewhere.create(thing)
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
def test_a_quota_that_leaves_no_room_for_the_load_is_named_soon(elsewhere: Api) -> None:
    cluster = KubernetesCluster(Path("r"), place=place(elsewhere.namespace))
    try:
        cluster.open()
        cluster.deploy(deployment(replicas=1))
        elsewhere.create(quota(pods="4"))
        began = time.monotonic()
        with pytest.raises(EnvironmentUnfit) as error:
            cluster.start_load(b'{"workers": 1}')
        assert time.monotonic() - began < 40.0
    finally:
        cluster.close()
    line = one_line(error)
    assert "Job load" in line
    assert "exceeded quota" in line
    assert elsewhere.get(NAMESPACE, elsewhere.namespace) is None


@on_a_cluster
@pytest.mark.timeout(400)
def test_a_quota_that_leaves_no_room_for_the_infrastructure_is_named_soon(elsewhere: Api) -> None:
    make_namespace(elsewhere, **{PART_OF: "statefall"})
    elsewhere.create(quota(**{"count/pods": "0"}))
    began = time.monotonic()
    with pytest.raises(EnvironmentUnfit) as error:
        KubernetesCluster(Path("r"), place=place(elsewhere.namespace)).open()
    assert time.monotonic() - began < 60.0
    line = one_line(error)
    assert "StatefulSet database" in line
    assert "exceeded quota" in line
    assert [
        name_of(thing)
        for kind in (STATEFUL_SET, DEPLOYMENT, JOB, POD)
        for thing in elsewhere.list(kind).items
    ] == []
