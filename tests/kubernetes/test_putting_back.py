"""Whatever fails while things are put back, the rest is put back all the same."""

from __future__ import annotations

from typing import cast

import pytest
import urllib3
from kubernetes import client

from statefall.clusters.kubernetes.api.calls import Api, Forbidden
from statefall.clusters.kubernetes.objects.kinds import Object, ObjectKind
from statefall.clusters.kubernetes.objects.labels import COMPONENT
from statefall.clusters.kubernetes.ownership.cordons import Cordons
from statefall.clusters.kubernetes.ownership.lease import ConductorLease
from statefall.clusters.kubernetes.ownership.removal import every
from statefall.clusters.kubernetes.ownership.takeover import store_back
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import Interrupted
from tests.kubernetes.api_server import serving
from tests.kubernetes.objects import pod


def failing(message: str) -> None:
    raise ClusterError(message)


def test_every_step_is_taken_and_all_that_failed_is_told() -> None:
    taken: list[str] = []
    steps = (
        lambda: failing("first"),
        lambda: taken.append("second"),
        lambda: failing("third"),
        lambda: taken.append("fourth"),
    )
    with pytest.raises(ClusterError, match=r"^first; third$"):
        every(steps)
    assert taken == ["second", "fourth"]


def test_an_interrupt_is_no_failed_step() -> None:
    taken: list[str] = []

    def interrupt() -> None:
        raise Interrupted("ended early by SIGINT")

    with pytest.raises(Interrupted):
        every((interrupt, lambda: taken.append("more")))
    assert taken == []


class Nodes:
    """An API server that shows its nodes, and lets some of them be changed."""

    def __init__(self) -> None:
        self.cordoned: dict[str, bool] = {"node-1": False, "node-2": False}
        self.refused: set[str] = set()

    def get(self, kind: ObjectKind, name: str) -> Object:
        return {"spec": {"unschedulable": self.cordoned[name]}}

    def patch_node(self, kind: ObjectKind, name: str, changes: Object) -> None:
        if name in self.refused:
            raise Forbidden(f"not allowed to change Node {name}")
        self.cordoned[name] = bool(changes["spec"]["unschedulable"])


class Notes:
    def __init__(self) -> None:
        self.nodes: list[str] = []

    def cordoned(self, nodes: list[str]) -> None:
        self.nodes = list(nodes)


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def cordons(nodes: Nodes, notes: Notes) -> Cordons:
    return Cordons(cast(Api, nodes), cast(ConductorLease, notes))


def test_a_node_that_may_not_be_cordoned_is_not_put_back(
    cordons: Cordons, nodes: Nodes, notes: Notes
) -> None:
    nodes.refused = {"node-1"}
    with pytest.raises(Forbidden):
        cordons.cordon("node-1")
    assert notes.nodes == []
    cordons.put_back()


def test_one_node_that_cannot_be_put_back_stays_noted_and_the_other_is(
    cordons: Cordons, nodes: Nodes, notes: Notes
) -> None:
    cordons.cordon("node-1")
    cordons.cordon("node-2")
    nodes.refused = {"node-1"}
    with pytest.raises(ClusterError, match="node-1"):
        cordons.put_back()
    assert nodes.cordoned == {"node-1": True, "node-2": False}
    assert notes.nodes == ["node-1"]
    nodes.refused = set()
    cordons.put_back()
    assert notes.nodes == []


def test_a_store_that_is_not_ready_is_not_asked() -> None:
    with serving() as server:
        server.pods = [pod("store-0", ready=False, labels={COMPONENT: "store"})]
        settings = client.Configuration()
        settings.host = server.url
        settings.retries = urllib3.Retry(total=0)
        api = Api(settings, "statefall")
        assert store_back(api) == []
        api.close()
