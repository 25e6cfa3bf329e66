"""A run touches what it made: nothing of the next run's, and nothing that a person has applied since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statefall.clusters.kubernetes import KubernetesCluster, cluster, recover
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import (
    DEPLOYMENT,
    LEASE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Object,
    labels_of,
)
from statefall.clusters.kubernetes.objects.labels import COMPONENT, OURS, PART_OF, RUN_LABEL
from statefall.clusters.kubernetes.ownership import lease as lease_module
from statefall.clusters.kubernetes.ownership.lease import NAME
from statefall.clusters.protocol import ClusterError
from tests.kubernetes.conftest import IMAGE, deployment, target
from tests.kubernetes.hand import kubectl, own
from tests.kubernetes.test_closing import existing, taken_by_another
from tests.kubernetes.timeline import another, vacant

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]


@pytest.fixture
def elsewhere() -> Iterator[Api]:
    with vacant(target(another("statefall-owned"))) as api:
        yield api


@pytest.fixture
def first(elsewhere: Api) -> Iterator[KubernetesCluster]:
    """An open cluster whose namespace is its own."""
    opened = KubernetesCluster(Path("first"), target=target(elsewhere.namespace))
    try:
        opened.open()
        yield opened
    finally:
        opened.close()


def of_the_next_run(api: Api, name: str) -> Object:
    """The next run's Deployment has taken the place of this one, under the same name; it has no pods."""
    found = api.get(DEPLOYMENT, name)
    assert found is not None
    kubectl("-n", api.namespace, "delete", "deployment", name, "--wait=true")
    found["metadata"] = {"name": name, "labels": {**labels_of(found), RUN_LABEL: "next"}}
    found["spec"]["template"]["metadata"]["labels"][RUN_LABEL] = "next"
    found["spec"]["replicas"] = 0
    return api.create(found)


def test_the_next_runs_cell_of_the_same_name_is_left_alone(
    first: KubernetesCluster, elsewhere: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.deploy(deployment(replicas=1))
    first.roll()
    made = of_the_next_run(elsewhere, "c1")
    for act in (first.roll, first.undo, lambda: first.scale(2)):
        with pytest.raises(ClusterError):
            act()
    first.withdraw()
    found = elsewhere.get(DEPLOYMENT, "c1")
    assert found is not None
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert found["metadata"]["generation"] == made["metadata"]["generation"], "its specification is untouched"
    assert elsewhere.get(SERVICE, "c1") is None, "that was the first's"


def test_after_a_long_sleep_a_run_asks_whether_the_namespace_is_still_its_own(
    first: KubernetesCluster, elsewhere: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = first._opened.lease
    lease.let_expire()  # as on a machine that sleeps: nothing is renewed, nothing noticed
    other = taken_by_another(elsewhere)
    first.start_store()  # it was renewed a moment ago
    monkeypatch.setattr(lease_module, "DURATION_S", 0)
    with pytest.raises(ClusterError, match="another run took over"):
        first.stop_store()
    assert lease.lost
    other.release()


@pytest.mark.usefixtures("whole_cluster")
def test_what_could_not_be_taken_away_is_found_by_recover(
    first: KubernetesCluster, elsewhere: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ClusterError("the API server is having a bad day")

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "remove_all", broken)
        with pytest.raises(ClusterError, match="bad day"):
            first.close()
    assert existing(elsewhere)["spec"]["holderIdentity"] == "first"
    assert recover(target(elsewhere.namespace)) == [
        f"first: removed namespace {elsewhere.namespace} with all that was in it"
    ]


@pytest.mark.usefixtures("whole_cluster")
def test_a_cell_without_pods_is_found_by_recover(first: KubernetesCluster, elsewhere: Api) -> None:
    # As if the namespace had stood before the run, and the Lease had gone.
    elsewhere.patch(NAMESPACE, elsewhere.namespace, {"metadata": {"labels": {RUN_LABEL: None}}})
    labels = {PART_OF: "statefall", RUN_LABEL: "long-dead"}
    elsewhere.create(
        {
            "apiVersion": "v1",
            "kind": SERVICE.name,
            "metadata": {"name": "c7", "labels": labels},
            "spec": {"ports": [{"port": 8000}]},
        }
    )
    first.close()
    assert elsewhere.get(LEASE, NAME) is None
    assert recover(target(elsewhere.namespace)) == ["long-dead: removed Service c7"]


@pytest.mark.usefixtures("whole_cluster")
def test_what_somebody_applied_by_hand_stays_with_its_namespace_and_secret(
    first: KubernetesCluster, elsewhere: Api, tmp_path: Path
) -> None:
    first.deploy(deployment(replicas=1))
    kubectl("apply", "-k", own("overlays/sticky", elsewhere.namespace, tmp_path))
    before = {pod["metadata"]["uid"] for pod in elsewhere.list(POD, f"{OURS},{COMPONENT}=store").items}
    first.close()
    assert elsewhere.get(DEPLOYMENT, "c1") is None
    assert elsewhere.get(LEASE, NAME) is None
    namespace = elsewhere.get(NAMESPACE, elsewhere.namespace)
    assert namespace is not None
    assert "deletionTimestamp" not in namespace["metadata"]
    applied = (
        *((DEPLOYMENT, name) for name in ("balancer", "stateless", "stateful")),
        *((STATEFUL_SET, name) for name in ("database", "store")),
        *((SECRET, "statefall"), (NETWORK_POLICY, "deny-all")),
    )
    for kind, name in applied:
        found = elsewhere.get(kind, name)
        assert found is not None, name
        assert RUN_LABEL not in labels_of(found), name
    after = {pod["metadata"]["uid"] for pod in elsewhere.list(POD, f"{OURS},{COMPONENT}=store").items}
    assert before == after, "the store was not even restarted"
    assert recover(target(elsewhere.namespace)) == []


def test_somebody_elses_workload_keeps_the_namespace_and_nothing_of_the_runs(
    first: KubernetesCluster, elsewhere: Api
) -> None:
    kubectl("-n", elsewhere.namespace, "create", "deployment", "theirs", f"--image={IMAGE}", "--replicas=0")
    first.close()
    assert elsewhere.get(DEPLOYMENT, "theirs") is not None
    assert elsewhere.get(DEPLOYMENT, "balancer") is None
    assert elsewhere.get(SECRET, "statefall") is None
    namespace = elsewhere.get(NAMESPACE, elsewhere.namespace)
    assert namespace is not None
    assert RUN_LABEL not in labels_of(namespace)
