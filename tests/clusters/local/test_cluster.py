"""Pods, faults and routes, on small replicas behind the real balancer."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from statefall.clusters.local import LocalCluster
from statefall.clusters.local.identity import runs
from statefall.clusters.protocol import ClusterError, Pod, Transition
from statefall.records.cells import CellSpec
from statefall.records.errors import InputError
from statefall.records.terms import Balancer
from tests.clusters.local.watching import Watch, gone, wait_until

Make = Callable[..., CellSpec]


def answering(cluster: LocalCluster, requests: int = 12) -> Counter[str]:
    """How often each pod answered requests of new clients."""
    found: Counter[str] = Counter()
    for _ in range(requests):
        response = httpx.get(cluster.base_url)
        assert response.status_code == 200, response.text
        found[response.json()["pod"]] += 1
    return found


def diary(folder: Path, pod: Pod) -> dict[str, float]:
    """What a small replica noted, and when (monotonic)."""
    lines = (folder / f"{pod.name}.diary").read_text().splitlines()
    return {what: float(at) for at, _, what in (line.partition(" ") for line in lines)}


def test_every_replica_is_ready_and_answers_in_turn(cluster: LocalCluster, deployment: Make) -> None:
    cluster.deploy(deployment())
    pods = cluster.pods()
    assert len({pod.uid for pod in pods}) == len({pod.address for pod in pods}) == 3
    assert all(pod.ready and pod.serving and not pod.terminating for pod in pods)
    assert all(pod.name.startswith(f"c1-{pod.revision}-") and pod.restart_count == 0 for pod in pods)
    assert answering(cluster) == {pod.name: 4 for pod in pods}


def test_a_sticky_client_stays_and_new_ones_are_spread(cluster: LocalCluster, deployment: Make) -> None:
    cluster.deploy(deployment(balancer=Balancer.STICKY))
    homes = set()
    for _ in range(3):
        with httpx.Client(base_url=cluster.base_url) as client:
            answers = {client.get("/").json()["pod"] for _ in range(6)}
            assert len(answers) == 1
            homes |= answers
    assert homes == {pod.name for pod in cluster.pods()}


def test_settings_and_names_reach_the_replica_and_those_of_the_harness_do_not(
    cluster: LocalCluster, deployment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATEFALL_STATE", "external")
    cluster.deploy(deployment(replicas=1, settings={"STATEFALL_SESSION_TTL_S": "7"}))
    environment = httpx.get(f"{cluster.base_url}/environment").json()
    (pod,) = cluster.pods()
    assert environment["STATEFALL_POD"] == pod.name
    assert environment["STATEFALL_STATE"] == "memory"
    assert environment["STATEFALL_SESSION_TTL_S"] == "7"
    host, _, port = pod.address.rpartition(":")
    assert (environment["HOST"], environment["PORT"], environment["POD_NAME"]) == (host, port, pod.name)
    assert len(environment["STATEFALL_JWT_KEYS"]) >= 32


def test_metrics_come_from_the_pod_itself(cluster: LocalCluster, deployment: Make) -> None:
    cluster.deploy(deployment(replicas=2))
    for pod in cluster.pods():
        assert f'mine{{pod="{pod.name}"}} 1' in cluster.metrics(pod)


def test_a_killed_container_restarts_in_place(
    cluster: LocalCluster, deployment: Make, tmp_path: Path
) -> None:
    cluster.deploy(deployment(settings={"STATEFALL_TEST_CHILD": "1"}))
    victim = cluster.pods()[1]
    child = next(int(what.split()[1]) for what in diary(tmp_path, victim) if what.startswith("child"))
    assert runs(child)
    watch = Watch(cluster)
    cluster.kill(victim)
    watch.until(victim, Transition.ENDPOINTS, "open")
    assert watch.message(victim) == [
        "container_exited signal 9",
        "unready",
        "container_started",
        "endpoints closed",
        "ready",
        "endpoints open",
    ] or watch.message(victim) == [  # a restart may be ready before the balancer was told of the loss
        "container_exited signal 9",
        "unready",
        "container_started",
        "ready",
        "endpoints closed",
        "endpoints open",
    ]
    watch.end()
    after = cluster.pods()[1]
    assert (after.name, after.uid, after.address) == (victim.name, victim.uid, victim.address)
    assert after.restart_count == 1
    assert after.container_id != victim.container_id
    assert after.ready
    assert gone(child), "SIGKILL reaches every process of the container"
    times = [seen.at for seen in watch.seen]
    assert times == sorted(times)


def test_a_dead_container_refuses_connections_until_it_is_back(
    cluster: LocalCluster, deployment: Make
) -> None:
    cluster.deploy(deployment(replicas=1))
    (victim,) = cluster.pods()
    watch = Watch(cluster)
    cluster.kill(victim)
    watch.until(victim, Transition.ENDPOINTS, "open")
    cluster.kill(victim)  # now it waits for its back-off
    exited = watch.until(victim, Transition.CONTAINER_EXITED, times=2)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{victim.address}")
    watch.until(victim, Transition.ENDPOINTS, "closed", times=2)
    assert httpx.get(cluster.base_url).status_code == 503
    with pytest.raises(ClusterError, match="no running container"):
        cluster.kill(victim)
    back = watch.until(victim, Transition.CONTAINER_STARTED, times=2)
    watch.end()
    assert back.at.monotonic_s - exited.at.monotonic_s >= 10.0
    assert back.pod.restart_count == 2


def test_a_crash_that_nobody_asked_for_is_seen(cluster: LocalCluster, deployment: Make) -> None:
    cluster.deploy(deployment(replicas=2))
    victim = cluster.pods()[0]
    watch = Watch(cluster)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://{victim.address}/crash")
    watch.until(victim, Transition.CONTAINER_EXITED, "exit 3")
    watch.until(victim, Transition.READY)
    watch.end()


def test_a_replica_that_fails_its_probe_gets_no_requests(
    cluster: LocalCluster, deployment: Make, tmp_path: Path
) -> None:
    cluster.deploy(deployment(replicas=2))
    sick, well = cluster.pods()
    watch = Watch(cluster)
    (tmp_path / f"{sick.name}.unready").touch()
    watch.until(sick, Transition.ENDPOINTS, "closed")
    assert set(answering(cluster)) == {well.name}
    assert not cluster.pods()[0].serving
    (tmp_path / f"{sick.name}.unready").unlink()
    watch.until(sick, Transition.ENDPOINTS, "open")
    watch.end()
    assert watch.message(sick) == ["unready", "endpoints closed", "ready", "endpoints open"]
    assert set(answering(cluster)) == {sick.name, well.name}


def test_deletion_is_ordered_and_a_successor_is_made_at_once(
    cluster: LocalCluster, deployment: Make, tmp_path: Path
) -> None:
    cluster.deploy(deployment(balancer=Balancer.STICKY, pre_stop_s=3.0, grace_s=30.0))
    victim = cluster.pods()[0]
    watch = Watch(cluster)
    with httpx.Client(base_url=cluster.base_url) as client:
        while client.get("/").json()["pod"] != victim.name:
            client.cookies.clear()
        cluster.delete(victim)
        terminating = next(pod for pod in cluster.pods() if pod.uid == victim.uid)
        assert (terminating.ready, terminating.serving, terminating.terminating) == (False, True, True)
        successor = cluster.pods()[-1]
        assert len(cluster.pods()) == 4
        watch.until(victim, Transition.ENDPOINTS, "fenced")
        assert client.get("/").json()["pod"] == victim.name, "its clients stay while it serves"
        assert victim.name not in answering(cluster), "it gets no new ones"
    watch.until(victim, Transition.ENDPOINTS, "closed")
    watch.until(successor, Transition.ENDPOINTS, "open")
    watch.end()
    assert [word for word in watch.message(victim) if not word.startswith("endpoints closed")] == [
        "terminating",
        "endpoints fenced",
        "container_exited exit 0",
        "gone",
    ]
    began = watch.until(victim, Transition.TERMINATING).at.monotonic_s
    assert diary(tmp_path, victim)["term"] - began >= 3.0, "SIGTERM comes after preStop"
    assert successor.name != victim.name
    assert successor.uid != victim.uid
    assert successor.address != victim.address
    assert [pod.uid for pod in cluster.pods()][-1] == successor.uid
    assert victim.uid not in {pod.uid for pod in cluster.pods()}
    with pytest.raises(ClusterError, match="it is gone"):
        cluster.kill(victim)
    with pytest.raises(ClusterError, match="it is gone"):
        cluster.delete(victim)


def test_a_replica_that_ignores_sigterm_is_killed_at_the_end_of_its_grace_period(
    cluster: LocalCluster, deployment: Make
) -> None:
    cluster.deploy(deployment(replicas=1, settings={"STATEFALL_TEST_STUBBORN": "1"}))
    (victim,) = cluster.pods()
    watch = Watch(cluster)
    cluster.delete(victim, grace_s=4.0)
    exited = watch.until(victim, Transition.CONTAINER_EXITED, "signal 9")
    began = watch.until(victim, Transition.TERMINATING)
    watch.end()
    assert exited.at.monotonic_s - began.at.monotonic_s >= 4.0


def test_a_paused_replica_stands_still_and_goes_on_as_the_same_process(
    cluster: LocalCluster, deployment: Make, tmp_path: Path
) -> None:
    cluster.deploy(deployment(settings={"STATEFALL_TEST_CHILD": "1"}))
    victim = cluster.pods()[1]
    child = next(int(what.split()[1]) for what in diary(tmp_path, victim) if what.startswith("child"))
    cluster.pause(victim)
    assert psutil.Process(child).status() == psutil.STATUS_STOPPED
    with pytest.raises(ClusterError, match="no metrics"):
        cluster.metrics(victim)
    cluster.resume(victim)
    wait_until(lambda: psutil.Process(child).status() != psutil.STATUS_STOPPED, "it goes on")
    assert cluster.metrics(victim)
    (after,) = [pod for pod in cluster.pods() if pod.uid == victim.uid]
    assert (after.container_id, after.restart_count) == (victim.container_id, victim.restart_count)


def test_a_worker_is_killed_under_a_living_replica(
    cluster: LocalCluster, deployment: Make, tmp_path: Path
) -> None:
    cluster.deploy(deployment(replicas=1, settings={"STATEFALL_TEST_CHILD": "1"}))
    (victim,) = cluster.pods()
    child = next(int(what.split()[1]) for what in diary(tmp_path, victim) if what.startswith("child"))
    cluster.kill_worker(victim)
    assert not runs(child)
    assert cluster.pods() == (victim,)
    with pytest.raises(ClusterError, match="no worker that could be killed"):
        cluster.kill_worker(victim)


def test_a_slow_replica_stops_and_goes_until_that_is_ended(cluster: LocalCluster, deployment: Make) -> None:
    cluster.deploy(deployment(replicas=1))
    (victim,) = cluster.pods()
    process = psutil.Process(httpx.get(cluster.base_url).json()["pid"])
    cluster.slow(victim)
    for _ in range(2):
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "it stands still")
        wait_until(lambda: process.status() != psutil.STATUS_STOPPED, "it goes on")
    cluster.end_slowness(victim)
    cluster.end_slowness(victim)
    assert process.status() != psutil.STATUS_STOPPED
    assert cluster.metrics(victim)


def test_a_slow_store_answers_and_a_flushed_one_has_forgotten(
    cluster: LocalCluster, deployment: Make
) -> None:
    cluster.deploy(deployment(replicas=1))
    with redis.Redis.from_url(cluster.addresses()["store"]) as client:
        client.set("cart", "7")
        cluster.slow_store()
        assert client.get("cart") == b"7"
        cluster.end_slowness_of_store()
        cluster.flush_store()
        assert client.get("cart") is None


def test_a_replica_whose_readiness_is_withheld_gets_no_requests_and_lives(
    cluster: LocalCluster, deployment: Make
) -> None:
    cluster.deploy(deployment(replicas=2))
    victim = cluster.pods()[0]
    watch = Watch(cluster)
    cluster.withhold_readiness(victim)
    watch.until(victim, Transition.UNREADY)
    watch.until(victim, Transition.ENDPOINTS, "closed")
    assert cluster.metrics(victim)
    cluster.give_readiness_back(victim)
    watch.until(victim, Transition.READY)
    watch.end()
    assert {pod.container_id for pod in cluster.pods()} >= {victim.container_id}


def test_a_bad_rollout_stands_still_and_is_undone(
    cluster: LocalCluster, deployment: Make, tmp_path: Path
) -> None:
    cluster.deploy(deployment(replicas=2, pre_stop_s=0.0))
    before = cluster.pods()
    cluster.roll_badly()
    wait_until(lambda: len(cluster.pods()) == 3, "one of the new revision is there")
    new = next(pod for pod in cluster.pods() if pod.uid not in {old.uid for old in before})
    wait_until(lambda: (tmp_path / f"{new.name}.probed").exists(), "it is probed")
    assert [pod.ready for pod in cluster.pods()] == [True, True, False]
    cluster.undo_bad_roll()
    wait_until(lambda: cluster.pods() == before, "those of before are left alone")


def test_a_balancer_is_restarted_and_reloaded_with_its_route(cluster: LocalCluster, deployment: Make) -> None:
    cluster.deploy(deployment(replicas=1))
    for change in (cluster.restart_balancer, cluster.reload_balancer, cluster.reload_balancer):
        change()
        assert answering(cluster, 1) == {cluster.pods()[0].name: 1}


def test_no_replica_is_left_and_then_as_many_as_before(cluster: LocalCluster, deployment: Make) -> None:
    cluster.deploy(deployment(replicas=2, pre_stop_s=0.0))
    before = {pod.uid for pod in cluster.pods()}
    assert {pod.uid for pod in cluster.scale(0)} == before
    wait_until(lambda: cluster.pods() == (), "none is left")
    cluster.scale(2)
    wait_until(lambda: [pod.ready for pod in cluster.pods()] == [True, True], "two are back")
    assert not before & {pod.uid for pod in cluster.pods()}


def test_a_paused_replica_can_be_withdrawn(cluster: LocalCluster, deployment: Make) -> None:
    cluster.deploy(deployment(replicas=1))
    (victim,) = cluster.pods()
    cluster.pause(victim)
    cluster.withdraw()
    assert cluster.pods() == ()


def test_deletion_without_grace_kills_at_once(
    cluster: LocalCluster, deployment: Make, tmp_path: Path
) -> None:
    cluster.deploy(deployment(replicas=2, pre_stop_s=60.0, grace_s=120.0))
    victim = cluster.pods()[0]
    watch = Watch(cluster)
    cluster.delete(victim, grace_s=0.0)
    watch.until(victim, Transition.GONE)
    watch.end()
    exited = watch.until(victim, Transition.CONTAINER_EXITED)
    assert exited.detail == "signal 9"
    assert "term" not in diary(tmp_path, victim)


def test_scaling_out_and_in(cluster: LocalCluster, deployment: Make, tmp_path: Path) -> None:
    cluster.deploy(deployment(replicas=2, pre_stop_s=0.0))
    watch = Watch(cluster)
    old = cluster.pods()
    assert cluster.scale(4) == ()
    watch.wait(lambda seen: seen.transition is Transition.ENDPOINTS and seen.detail == "open", times=2)
    assert len(answering(cluster)) == 4
    (tmp_path / f"{old[0].name}.unready").touch()
    watch.until(old[0], Transition.ENDPOINTS, "closed")
    chosen = cluster.scale(3)
    assert [pod.uid for pod in chosen] == [old[0].uid], "the unready goes first"
    assert all(pod.terminating for pod in chosen)
    watch.until(old[0], Transition.GONE)
    assert len(cluster.scale(0)) == 3
    watch.wait(lambda seen: seen.transition is Transition.GONE, times=4)
    watch.end()
    assert cluster.pods() == ()
    with pytest.raises(InputError, match="-1 replicas"):
        cluster.scale(-1)


@contextmanager
def trickle(target: str) -> Iterator[list[int]]:
    """Requests one after the other, from new and from lasting connections; gives the list of statuses."""
    statuses: list[int] = []
    stop = threading.Event()

    def run() -> None:
        with httpx.Client(base_url=target, timeout=30.0) as lasting:
            while not stop.wait(0.01):
                statuses.append(lasting.get("/").status_code)
                statuses.append(httpx.get(target, timeout=30.0).status_code)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()


def test_a_rolling_update_replaces_every_pod_and_fails_no_request(
    cluster: LocalCluster, deployment: Make
) -> None:
    cluster.deploy(deployment(pre_stop_s=4.0, grace_s=30.0))
    old = cluster.pods()
    watch = Watch(cluster)
    with trickle(cluster.base_url) as statuses:
        cluster.roll()
        wait_until(
            lambda: {pod.revision for pod in cluster.pods()}.isdisjoint({old[0].revision}),
            "all pods are of the new revision",
        )
        for pod in old:
            watch.until(pod, Transition.ENDPOINTS, "closed")
    watch.end()
    assert set(statuses) == {200}
    new = cluster.pods()
    assert len(new) == 3
    assert all(pod.ready for pod in new)
    assert not {pod.uid for pod in new} & {pod.uid for pod in old}
    ready = 3
    for seen in watch.seen:
        ready += (seen.transition is Transition.READY) - (seen.transition is Transition.TERMINATING)
        assert 3 <= ready <= 4, "one surge, none unavailable"
    assert ready == 3


def test_a_deployment_that_cannot_start_says_why(cluster: LocalCluster, deployment: Make) -> None:
    with pytest.raises(ClusterError, match="exit 1: this replica cannot start: it was told not to"):
        cluster.deploy(deployment(settings={"STATEFALL_TEST_HOPELESS": "1"}))
    cluster.withdraw()
    cluster.deploy(deployment(replicas=1))


def test_a_deployment_that_does_not_get_ready_in_time_says_how_far_it_came(
    cluster: LocalCluster, deployment: Make
) -> None:
    with pytest.raises(ClusterError, match=r"c1: 0 of 3 replicas ready after 0 s"):
        cluster.deploy(deployment(), timeout_s=0.0)


def test_one_deployment_at_a_time(cluster: LocalCluster, deployment: Make) -> None:
    cluster.deploy(deployment(replicas=1))
    with pytest.raises(ClusterError, match="c1 is still deployed"):
        cluster.deploy(deployment(name="c2"))


def test_a_withdrawn_deployment_leaves_nothing_and_another_can_follow(
    cluster: LocalCluster, deployment: Make
) -> None:
    cluster.deploy(deployment(balancer=Balancer.STICKY))
    first = cluster.pods()
    cluster.withdraw()
    cluster.withdraw()
    assert cluster.pods() == ()
    assert httpx.get(cluster.base_url).status_code == 503
    for pod in first:
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{pod.address}")
    with pytest.raises(ClusterError, match="nothing is deployed"):
        cluster.roll()
    cluster.deploy(deployment(name="c2", balancer=Balancer.PLAIN))
    assert set(answering(cluster)) == {pod.name for pod in cluster.pods()}
    assert "set-cookie" not in httpx.get(cluster.base_url).headers


def test_affinity_by_client_address_is_refused(cluster: LocalCluster, deployment: Make) -> None:
    with pytest.raises(InputError, match=r"client-ip. needs Kubernetes"):
        cluster.deploy(deployment(balancer=Balancer.CLIENT_IP))


def test_the_fingerprint_names_programs_and_sizes(cluster: LocalCluster) -> None:
    found = cluster.fingerprint()
    assert found["balancer"].startswith("Traefik 3.")
    assert found["store"].split()[0] in {"Valkey", "Redis"}
    assert found["database"].startswith("PostgreSQL ")
    assert int(found["cores"]) >= 1
    assert "fsync off" in found["database_durability"]
    assert json.loads(json.dumps(dict(found))) == found
