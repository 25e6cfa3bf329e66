"""Load in the cluster: the counts of several workers are one, and a worker's loss is the load's own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from statefall.clusters.kubernetes import KubernetesCluster
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.objects.kinds import POD, name_of
from statefall.clusters.kubernetes.objects.labels import OURS
from statefall.clusters.kubernetes.objects.pods import pod_of
from statefall.load.channel import MISSED_POLLS, LoadGeneratorError
from statefall.load.recorder import HdrHistogram
from statefall.records.events import Tick
from statefall.records.terms import Balancer
from statefall.records.verdicts import Verdict
from tests.kubernetes.conftest import deployment
from tests.kubernetes.shoppers import assert_counts_balance, marked, shopping
from tests.kubernetes.timeline import all_ready, wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

WORSE = tuple(verdict for verdict in Verdict if verdict is not Verdict.KEPT)


@pytest.fixture
def by_client_address(opened: KubernetesCluster) -> Iterator[KubernetesCluster]:
    opened.deploy(deployment("c-client-ip", balancer=Balancer.CLIENT_IP))
    yield opened
    opened.withdraw()


def test_by_client_address_all_load_from_one_pod_is_one_client(by_client_address: KubernetesCluster) -> None:
    with shopping(by_client_address) as load:
        load.go_on()
        mark = load.mark("f1")
        (home,) = mark.by_boot
        (victim,) = [pod for pod in by_client_address.pods() if home.startswith(f"{pod.name}/")]
        by_client_address.kill(victim)
        wait_until(by_client_address, all_ready(3), "it is back")
        load.go_on()
        result = load.finish()
    assert mark.live_sessions == 36
    # Its address led all of them there, so the one replica held them all, and the kill took them all.
    assert len(marked(result, Verdict.LOST)) == 36


def test_the_books_of_two_workers_are_one(running: KubernetesCluster, api: Api) -> None:
    with shopping(running, workers=2) as load:
        assert load.workers == 2
        assert len(api.list(POD, f"{OURS},statefall/load=worker").items) == 2
        load.go_on()
        mark = load.mark("f1")
        load.go_on()
        result = load.finish()
        ticks = load.of_kind(Tick)
    assert mark.live_sessions == 36
    assert len(marked(result, Verdict.KEPT)) == 36
    assert_counts_balance(result)
    assert result.generator_faults == ()
    assert sum(tick.completed for tick in ticks) == result.requests.completed
    timed = [HdrHistogram.decode(text).get_total_count() for text in result.histograms.values()]
    assert sum(timed) == result.requests.completed


def test_a_lost_worker_is_the_load_generators_own_fault(running: KubernetesCluster, api: Api) -> None:
    with shopping(running, workers=2) as load:
        load.go_on()
        mark = load.mark("f1")
        victim = api.list(POD, f"{OURS},statefall/load=worker").items[0]
        api.delete(POD, name_of(victim), uid=victim["metadata"]["uid"], grace_s=0)
        load.wait(lambda: _workers(load.channel.url) < 2, "the loss was noticed")
        load.go_on()
        result = load.finish()
    told = [fault for fault in result.generator_faults if "was lost" in fault]
    assert told[0].startswith(f"load worker {name_of(victim)}")
    # Half of the shoppers went with it. None of the others blames the service.
    assert mark.live_sessions == 36
    assert marked(result, *WORSE) == []
    assert_counts_balance(result)


def test_how_the_only_load_process_ended_is_known(running: KubernetesCluster, api: Api) -> None:
    with shopping(running) as load:
        assert running.load_end() == ""
        (master,) = api.list(POD, f"{OURS},statefall/load=master").items
        run_in(api, name_of(master), ["sh", "-c", "kill -KILL -1"])
        assert running.load_end() == f"its pod {name_of(master)} ended: signal 9"
        for _ in range(MISSED_POLLS):
            load.channel.events()
        with pytest.raises(LoadGeneratorError, match="it did not answer"):
            load.channel.events()
    with shopping(running) as load:
        (master,) = api.list(POD, f"{OURS},statefall/load=master").items
        api.delete(POD, name_of(master), uid=master["metadata"]["uid"], grace_s=0)
        assert running.load_end() == f"its pod {name_of(master)} was deleted"


def test_a_worker_that_does_not_hear_its_master_is_not_ready(running: KubernetesCluster, api: Api) -> None:
    with shopping(running, workers=2):
        (master,) = api.list(POD, f"{OURS},statefall/load=master").items
        assert _ready_workers(api) == 2
        # All processes of the container but the first and the shell itself
        assert run_in(api, name_of(master), ["sh", "-c", "kill -STOP -1"]).fine
        try:
            wait_until(running, lambda _: _ready_workers(api) == 0, "both are found to be cut off")
        finally:
            assert run_in(api, name_of(master), ["sh", "-c", "kill -CONT -1"]).fine
        wait_until(running, lambda _: _ready_workers(api) == 2, "both hear it again")


def _ready_workers(api: Api) -> int:
    return sum(pod_of(obj).ready for obj in api.list(POD, f"{OURS},statefall/load=worker").items)


def _workers(url: str) -> int:
    return int(httpx.get(f"{url}/statefall/ready", trust_env=False, timeout=10.0).json()["workers"])
