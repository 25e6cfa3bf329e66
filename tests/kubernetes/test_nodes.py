"""A node is drained: whom that moves, whom it leaves, and which node is never taken."""

from __future__ import annotations

import pytest

from statefall.clusters.kubernetes import KubernetesCluster
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import NODE, POD, Object, name_of
from statefall.clusters.kubernetes.objects.labels import COMPONENT, PART_OF, RUN_LABEL
from statefall.clusters.protocol import ClusterError, Pod
from tests.kubernetes.conftest import IMAGE
from tests.kubernetes.timeline import LEFT, Timeline, all_ready, emptied, wait_until

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("whole_cluster"),
]


def test_a_drain_moves_the_pods_of_one_node_and_of_no_other(
    running: KubernetesCluster, pods: tuple[Pod, ...], timeline: Timeline, api: Api
) -> None:
    shared = {p["spec"]["nodeName"] for p in api.list(POD, "app.kubernetes.io/component=database").items}
    drained = _node_without(api, shared)
    there = [pod for pod in pods if pod.node == drained]
    assert running.drainable() == (drained,)
    try:
        moved = emptied(running, drained)
        assert {pod.uid for pod in moved} == {pod.uid for pod in there}
        node = api.get(NODE, drained)
        assert node is not None
        assert node["spec"]["unschedulable"] is True
        after = wait_until(running, all_ready(3), "their successors are ready")
        assert drained not in {pod.node for pod in after}
        assert {pod.uid for pod in pods if pod.node != drained} <= {pod.uid for pod in after}
        for pod in there:
            assert timeline.of(pod.uid) == LEFT
    finally:
        running.uncordon(drained)
    node = api.get(NODE, drained)
    assert node is not None
    assert not node["spec"].get("unschedulable")


def test_a_drain_takes_replicas_that_are_still_coming_up_and_leaves_monitoring(
    running: KubernetesCluster, pods: tuple[Pod, ...], api: Api
) -> None:
    shared = {p["spec"]["nodeName"] for p in api.list(POD, "app.kubernetes.io/component=database").items}
    drained = _node_without(api, shared)
    for component in ("replica", "monitoring"):
        api.create(_never_up(component, drained))
    try:
        seen = running._opened.context.informer.wait_for(
            lambda view: {"late-replica", "late-monitoring"} <= {name_of(p) for p in view.pods.values()}, 30.0
        )
        assert seen
        moved = emptied(running, drained)
        assert "late-replica" in {pod.name for pod in moved}
        wait_until(running, lambda _: "late-replica" not in there(api), "the late replica is gone")
        assert "late-monitoring" in there(api)
    finally:
        running.uncordon(drained)
        api.delete(POD, "late-monitoring", grace_s=0)
        api.delete(POD, "late-replica", grace_s=0)
    wait_until(running, all_ready(3), "their successors are ready")


def there(api: Api) -> set[str]:
    """The names of all pods of the namespace."""
    return {name_of(obj) for obj in api.list(POD).items}


def _never_up(component: str, node: str) -> Object:
    """A pod that stays in ContainerCreating: the volume that it waits for does not exist."""
    labels = {PART_OF: "statefall", RUN_LABEL: "tests", COMPONENT: component}
    container = {
        "name": "main",
        "image": IMAGE,
        "volumeMounts": [{"name": "missing", "mountPath": "/missing"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "1m"}, "limits": {"cpu": "10m", "memory": "16Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"late-{component}", "labels": labels},
        "spec": {
            "nodeName": node,
            "containers": [container],
            "volumes": [{"name": "missing", "configMap": {"name": "missing"}}],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 1,
        },
    }


def test_the_node_of_the_database_is_not_drained(running: KubernetesCluster, api: Api) -> None:
    (database,) = api.list(POD, "app.kubernetes.io/component=database").items
    with pytest.raises(ClusterError, match="drain another"):
        running.cordon(database["spec"]["nodeName"])
    node = api.get(NODE, database["spec"]["nodeName"])
    assert node is not None
    assert not node["spec"].get("unschedulable")


def _node_without(api: Api, shared: set[str]) -> str:
    free = {name_of(node) for node in api.list(NODE).items} - shared
    assert free, "a drain needs a node that carries nothing shared"
    return min(free)
