"""Each fault leaves its own signature, told apart from its neighbours', on a real cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from clusters.kubernetes import KubernetesCluster, faults
from clusters.kubernetes.api import PART_OF, Api, Refused
from clusters.kubernetes.kinds import AUTOSCALER, NODE, POD, REPLICA_SET, Object, name_of
from clusters.kubernetes.manifests import COMPONENT, RUN_LABEL
from clusters.kubernetes.tunnel import run_in
from clusters.protocol import ClusterError, EvictionRefused, Pod, Transition
from tests.kubernetes.conftest import IMAGE, deployment
from tests.kubernetes.timeline import Timeline, all_ready, emptied, evicted, wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

DIED = [Transition.CONTAINER_EXITED, Transition.UNREADY, Transition.CONTAINER_STARTED, Transition.READY]
LEFT = [Transition.TERMINATING, Transition.CONTAINER_EXITED, Transition.GONE]


@pytest.fixture(scope="module")
def running(opened: KubernetesCluster) -> Iterator[KubernetesCluster]:
    """Three replicas; every test leaves three ready ones behind."""
    opened.deploy(deployment())
    yield opened
    opened.withdraw()


@pytest.fixture
def pods(running: KubernetesCluster) -> tuple[Pod, ...]:
    return wait_until(running, all_ready(3), "three replicas are ready")


def test_a_kill_restarts_in_place(
    running: KubernetesCluster, pods: tuple[Pod, ...], timeline: Timeline
) -> None:
    victim = pods[0]
    running.kill(victim)
    exit_ = timeline.wait(victim.uid, Transition.CONTAINER_EXITED)
    timeline.wait(victim.uid, Transition.ENDPOINTS, "closed")
    timeline.wait(victim.uid, Transition.READY)
    (after,) = [pod for pod in running.pods() if pod.uid == victim.uid]
    assert exit_.detail == "signal 9"
    assert [t for t in timeline.of(victim.uid) if t is not Transition.UNREADY] == [
        t for t in DIED if t is not Transition.UNREADY
    ]
    assert (after.name, after.address, after.node) == (victim.name, victim.address, victim.node)
    assert after.restart_count == victim.restart_count + 1
    assert after.container_id != victim.container_id
    assert not timeline.all(Transition.CREATED)
    assert {pod.uid for pod in running.pods()} == {pod.uid for pod in pods}


def test_a_kill_that_could_not_be_run_is_told(
    running: KubernetesCluster, pods: tuple[Pod, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "run_in", lambda api, pod, _: run_in(api, pod, ["no-such-program"]))
    with pytest.raises(ClusterError, match=r"was not killed: .*no-such-program"):
        running.kill(pods[0])
    denied = ["sh", "-c", "echo Operation not permitted; exit 1"]
    monkeypatch.setattr(faults, "run_in", lambda api, pod, _: run_in(api, pod, denied))
    with pytest.raises(ClusterError, match="was not killed: Operation not permitted"):
        running.kill(pods[0])
    assert all_ready(3)(running.pods())


def test_a_deletion_brings_a_successor_at_a_new_address(
    running: KubernetesCluster, pods: tuple[Pod, ...], timeline: Timeline
) -> None:
    victim = pods[0]
    running.delete(victim)
    timeline.wait(victim.uid, Transition.GONE)
    fenced = timeline.wait(victim.uid, Transition.ENDPOINTS, "fenced")
    exit_ = timeline.wait(victim.uid, Transition.CONTAINER_EXITED)
    after = wait_until(running, all_ready(3), "a successor is ready")
    (successor,) = {pod.uid for pod in after} - {pod.uid for pod in pods}
    (born,) = timeline.all(Transition.CREATED)
    assert timeline.of(victim.uid) == LEFT
    assert exit_.detail == "exit 0"
    assert fenced.at <= exit_.at
    assert born.pod.uid == successor
    assert born.pod.name != victim.name
    assert next(pod for pod in after if pod.uid == successor).restart_count == 0
    assert {pod.revision for pod in after} == {victim.revision}


def test_a_deletion_without_grace_takes_the_object_before_the_process(
    running: KubernetesCluster, pods: tuple[Pod, ...], timeline: Timeline
) -> None:
    victim = pods[0]
    running.delete(victim, grace_s=0)
    timeline.wait(victim.uid, Transition.GONE)
    assert timeline.of(victim.uid) == [Transition.TERMINATING, Transition.GONE]
    wait_until(running, all_ready(3), "a successor is ready")
    assert len(timeline.all(Transition.CREATED)) == 1


def test_a_blocked_eviction_is_refused_with_429_and_comes_through_once_the_budget_allows(
    running: KubernetesCluster, pods: tuple[Pod, ...], timeline: Timeline
) -> None:
    first, second, _ = pods
    running.evict(first)
    # The budget is one pod: until a successor is ready a second eviction must wait.
    with pytest.raises(EvictionRefused, match="disruption budget") as refused:
        running.evict(second)
    assert isinstance(refused.value.__cause__, Refused)
    assert refused.value.__cause__.status == 429
    assert second.uid in {pod.uid for pod in running.pods() if pod.ready}
    evicted(running, second)
    timeline.wait(second.uid, Transition.GONE)
    assert timeline.of(first.uid) == timeline.of(second.uid) == LEFT
    wait_until(running, all_ready(3), "both have successors")
    assert len(timeline.all(Transition.CREATED)) == 2


def test_a_deletion_asks_no_budget(
    running: KubernetesCluster, pods: tuple[Pod, ...], timeline: Timeline
) -> None:
    for victim in pods[:2]:
        running.delete(victim)
    for victim in pods[:2]:
        timeline.wait(victim.uid, Transition.GONE)
    wait_until(running, all_ready(3), "both have successors")
    assert timeline.fewest_ready(pods) == 1, "the budget would have let one go at a time"


def test_a_scale_in_ends_whom_the_replica_set_chose_and_brings_nobody(
    running: KubernetesCluster, pods: tuple[Pod, ...], timeline: Timeline
) -> None:
    (chosen,) = running.scale(2)
    assert chosen.uid in {pod.uid for pod in pods}
    timeline.wait(chosen.uid, Transition.GONE)
    assert timeline.of(chosen.uid) == LEFT
    left = wait_until(running, all_ready(2), "two are left")
    assert {pod.uid for pod in left} == {pod.uid for pod in pods} - {chosen.uid}
    assert not timeline.all(Transition.CREATED)
    assert running.scale(3) == ()
    wait_until(running, all_ready(3), "there are three again")
    assert len(timeline.all(Transition.CREATED)) == 1


def test_a_rolling_update_replaces_every_revision_and_can_be_undone(
    running: KubernetesCluster, pods: tuple[Pod, ...], timeline: Timeline, api: Api
) -> None:
    (before,) = {pod.revision for pod in pods}

    def rolled(now: tuple[Pod, ...]) -> bool:
        return all_ready(3)(now) and before not in {pod.revision for pod in now}

    running.roll()
    after = wait_until(running, rolled, "all are of the new revision")
    (revision,) = {pod.revision for pod in after}
    assert {pod.uid for pod in after}.isdisjoint(pod.uid for pod in pods)
    assert timeline.fewest_ready(pods) >= 3
    sets = {name_of(s).rpartition("-")[2] for s in api.list(REPLICA_SET, "statefall/deployment=c1").items}
    assert {before, revision} <= sets

    running.undo()
    back = wait_until(
        running,
        lambda now: all_ready(3)(now) and {pod.revision for pod in now} == {before},
        "all are of the old revision again",
    )
    assert {pod.uid for pod in back}.isdisjoint(pod.uid for pod in after)


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
        seen = running._opened.ground.observer.wait_for(
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
    return {name_of(thing) for thing in api.list(POD).items}


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


def test_a_store_outage_refuses_at_once_and_keeps_the_content(
    running: KubernetesCluster, pods: tuple[Pod, ...], api: Api
) -> None:
    (store,) = [name_of(p) for p in api.list(POD, "app.kubernetes.io/component=store").items]
    run_in(api, store, ["sh", "-c", "valkey-cli set kept yes"])
    assert _reach_store(api, pods[0]) == "open"
    running.stop_store()
    try:
        assert _reach_store(api, pods[0]) == "ConnectionRefusedError"
        assert all_ready(3)(running.pods()), "a store outage is not a pod fault"
    finally:
        running.start_store()
    assert _reach_store(api, pods[0]) == "open"
    assert "yes" in run_in(api, store, ["sh", "-c", "valkey-cli get kept"]).output


def test_a_paused_store_takes_connections_and_answers_nothing_until_its_time_is_over(
    running: KubernetesCluster, pods: tuple[Pod, ...], api: Api
) -> None:
    assert _ask_store(api, pods[0]) == "True"
    running.pause_store(10.0)
    assert _ask_store(api, pods[0]) == "TimeoutError"
    assert _reach_store(api, pods[0]) == "open"
    assert all_ready(3)(running.pods()), "a store that hangs is not a pod fault"
    running.start_store()
    assert _ask_store(api, pods[0]) == "True"


def _ask_store(api: Api, pod: Pod) -> str:
    """What a replica hears from its store within half a second."""
    script = (
        "import os, redis\n"
        "from redis.backoff import NoBackoff\n"
        "from redis.retry import Retry\n"
        "url = os.environ['STATEFALL_STORE_URL']\n"
        "store = redis.Redis.from_url(url, socket_timeout=0.5, retry=Retry(NoBackoff(), 0))\n"
        "try: print(store.ping())\n"
        "except redis.RedisError as error: print(type(error).__name__)"
    )
    return run_in(api, pod.name, ["python", "-c", script]).output.strip()


def _reach_store(api: Api, pod: Pod) -> str:
    """What a replica meets where its store should be."""
    script = (
        "import socket\n"
        "try: socket.create_connection(('store', 6379), 5).close(); print('open')\n"
        "except OSError as error: print(type(error).__name__)"
    )
    return run_in(api, pod.name, ["python", "-c", script]).output.strip()


def test_a_pod_that_is_gone_is_hit_by_nothing(
    running: KubernetesCluster, pods: tuple[Pod, ...], timeline: Timeline
) -> None:
    ghost = replace(pods[0], uid="00000000-0000-0000-0000-000000000000")
    for fault in (running.kill, running.delete, running.evict):
        with pytest.raises(ClusterError, match="gone"):
            fault(ghost)
    time.sleep(1.0)  # nothing is expected to happen: there is no event to wait for
    assert all_ready(3)(running.pods())
    assert timeline.of(pods[0].uid) == []


def test_only_replicas_are_hit(running: KubernetesCluster, api: Api) -> None:
    (store,) = api.list(POD, "app.kubernetes.io/component=store").items
    other = replace(running.pods()[0], name=name_of(store), uid=store["metadata"]["uid"])
    for fault in (running.kill, running.delete, running.evict):
        with pytest.raises(ClusterError, match="no replica of this run"):
            fault(other)


def test_an_autoscaled_deployment_is_not_scaled_by_hand(running: KubernetesCluster, api: Api) -> None:
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "c1", "labels": {"app.kubernetes.io/part-of": "statefall"}},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "c1"},
            "minReplicas": 3,
            "maxReplicas": 4,
        },
    }
    api.create(autoscaler)
    try:
        with pytest.raises(ClusterError, match="belongs to HorizontalPodAutoscaler"):
            running.scale(2)
    finally:
        api.delete(AUTOSCALER, "c1")
    assert all_ready(3)(running.pods())
