"""The end of a run: it is finished after an interrupt, and one that lost its namespace touches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statefall.clusters.kubernetes import KubernetesCluster, cluster
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.objects.kinds import (
    DEPLOYMENT,
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    Object,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import COMPONENT, OURS, PART_OF
from statefall.clusters.kubernetes.ownership import lease
from statefall.clusters.kubernetes.ownership.lease import NAME, ConductorLease
from statefall.clusters.kubernetes.ownership.removal import remove_all
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import Interrupted
from tests.kubernetes.conftest import deployment, target
from tests.kubernetes.timeline import DEADLINE_S, another, vacant

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]


@pytest.fixture
def elsewhere() -> Iterator[Api]:
    with vacant(target(another("statefall-closing"))) as api:
        yield api


def existing(api: Api) -> Object:
    found = api.get(LEASE, NAME)
    assert found is not None
    return found


def taken_by_another(api: Api) -> ConductorLease:
    """As if the first had been out of reach for longer than its Lease lasts."""
    api.delete(LEASE, NAME)
    other = ConductorLease(api, "other", lambda _: None)
    other.take()
    return other


def test_a_lost_lease_is_noticed_and_not_written(elsewhere: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY_S", 0.2)
    labels = {PART_OF: "statefall"}
    elsewhere.create(
        {
            "apiVersion": "v1",
            "kind": NAMESPACE.name,
            "metadata": {"name": elsewhere.namespace, "labels": labels},
        }
    )
    told: list[str] = []
    first = ConductorLease(elsewhere, "first", told.append)
    first.take()
    assert not first.taken()
    first.cordoned(["node-1"])
    other = taken_by_another(elsewhere)
    other.cordoned(["node-2"])
    assert first.taken()
    with pytest.raises(ClusterError):
        first.cordoned([])
    first._thread.join(DEADLINE_S)
    assert first.lost
    assert told == ["another run took over the namespace"]
    first.release()
    assert lease.nodes_to_put_back(existing(elsewhere)) == ["node-2"]
    other.cordoned([])
    other.release()
    assert elsewhere.get(LEASE, NAME) is None


def test_a_node_that_was_not_put_back_stays_in_the_lease(elsewhere: Api) -> None:
    elsewhere.create(
        {
            "apiVersion": "v1",
            "kind": NAMESPACE.name,
            "metadata": {"name": elsewhere.namespace, "labels": {PART_OF: "statefall"}},
        }
    )
    first = ConductorLease(elsewhere, "first", lambda _: None)
    first.take()
    first.cordoned(["node-1"])
    first.release()
    assert lease.nodes_to_put_back(existing(elsewhere)) == ["node-1"]


@pytest.mark.usefixtures("whole_cluster")
def test_a_close_that_was_interrupted_is_finished_by_the_next(
    elsewhere: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = KubernetesCluster(Path("interrupted"), target=target(elsewhere.namespace))
    opened.open()
    node = sorted(name_of(obj) for obj in elsewhere.list(NODE).items)[0]
    opened._opened.cordons.cordon(node)

    def interrupted(*_: Any) -> None:
        raise Interrupted("ended early by SIGINT")

    monkeypatch.setattr(cluster, "remove_all", interrupted)
    with pytest.raises(Interrupted):
        opened.close()
    assert elsewhere.get(LEASE, NAME) is not None
    monkeypatch.setattr(cluster, "remove_all", remove_all)
    opened.close()
    assert elsewhere.get(NAMESPACE, elsewhere.namespace) is None
    assert not is_cordoned(elsewhere, node)
    opened.close()


@pytest.mark.usefixtures("whole_cluster")
def test_whoever_lost_the_namespace_leaves_it_as_it_is(elsewhere: Api) -> None:
    loser = KubernetesCluster(Path("loser"), target=target(elsewhere.namespace))
    loser.open()
    try:
        loser.deploy(deployment(replicas=1))
        node = sorted(name_of(obj) for obj in elsewhere.list(NODE).items)[0]
        loser._opened.cordons.cordon(node)
        loser.stop_store()
        other = taken_by_another(elsewhere)
        loser.stop_load()
        loser.close()
        assert existing(elsewhere)["spec"]["holderIdentity"] == "other"
        assert is_cordoned(elsewhere, node)
        assert elsewhere.get(DEPLOYMENT, "c1") is not None
        (store,) = elsewhere.list(POD, f"{OURS},{COMPONENT}=store").items
        bound = run_in(elsewhere, name_of(store), ["sh", "-c", "valkey-cli config get bind"])
        assert "127.0.0.1" in bound.output
        other.release()
    finally:
        elsewhere.patch_node(NODE, node, {"spec": {"unschedulable": None}})


def is_cordoned(api: Api, node: str) -> bool:
    found = api.get(NODE, node)
    assert found is not None
    return bool(found["spec"].get("unschedulable"))
