"""Each fault leaves its own signature, told apart from its neighbours', on a real cluster."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from statefall.clusters.kubernetes import KubernetesCluster
from statefall.clusters.kubernetes.api.calls import Api, Refused
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.objects.kinds import AUTOSCALER, POD, REPLICA_SET, name_of
from statefall.clusters.kubernetes.run import faults
from statefall.clusters.protocol import ClusterError, EvictionRefused, Pod, Transition
from tests.kubernetes.timeline import LEFT, Timeline, all_ready, evicted, wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

DIED = [Transition.CONTAINER_EXITED, Transition.UNREADY, Transition.CONTAINER_STARTED, Transition.READY]


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


def test_a_paused_replica_answers_nobody_and_goes_on_as_the_same_process(
    running: KubernetesCluster, pods: tuple[Pod, ...]
) -> None:
    victim = pods[0]
    boot = running.metrics(victim).partition('boot="')[2].partition('"')[0]
    running.pause(victim)
    try:
        with pytest.raises(ClusterError, match="no answer"):
            running.metrics(victim)
    finally:
        running.resume(victim)
    wait_until(running, all_ready(3), "all are ready again")
    assert f'boot="{boot}"' in running.metrics(victim)
    (after,) = [pod for pod in running.pods() if pod.uid == victim.uid]
    assert (after.container_id, after.restart_count) == (victim.container_id, victim.restart_count)


def test_a_replica_that_cannot_be_paused_is_told(
    running: KubernetesCluster, pods: tuple[Pod, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        faults, "run_in", lambda api, pod, _: run_in(api, pod, ["sh", "-c", "echo T; echo S"])
    )
    with pytest.raises(ClusterError, match="was not paused: its processes are T, S"):
        running.pause(pods[0])


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
