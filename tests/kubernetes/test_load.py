"""Load in the cluster: the books of several workers are one, and a worker's loss is the load's own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from clusters.kubernetes import KubernetesCluster
from clusters.kubernetes.api import OURS, Api
from clusters.kubernetes.kinds import POD, name_of
from clusters.kubernetes.pods import pod_of
from clusters.kubernetes.tunnel import run_in
from foundation.terms import Balancer
from foundation.verdicts import Verdict
from loadtests.channel import MISSED_POLLS, LoadGeneratorError
from loadtests.recorder import HdrHistogram
from tests.kubernetes.conftest import deployment
from tests.kubernetes.shoppers import assert_books_balance, marked, shopping
from tests.kubernetes.timeline import all_ready, wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

WORSE = tuple(verdict for verdict in Verdict if verdict is not Verdict.KEPT)


@pytest.fixture
def deployed(opened: KubernetesCluster, request: pytest.FixtureRequest) -> Iterator[KubernetesCluster]:
    opened.deploy(request.param)
    yield opened
    opened.stop_load()
    opened.withdraw()


@pytest.mark.parametrize("deployed", [deployment("c-workers")], indirect=True)
def test_the_books_of_two_workers_are_one(deployed: KubernetesCluster, api: Api) -> None:
    with shopping(deployed, workers=2) as load:
        assert load.workers == 2
        assert len(api.list(POD, f"{OURS},statefall/load=worker").items) == 2
        load.go_on()
        mark = load.mark("f1")
        load.go_on()
        result = load.finish()
        ticks = load.of_kind("tick")
    assert mark.live_sessions == 36
    assert len(marked(result, Verdict.KEPT)) == 36
    assert_books_balance(result)
    assert result.generator_faults == ()
    assert sum(tick["completed"] for tick in ticks) == result.requests.completed
    timed = [HdrHistogram.decode(text).get_total_count() for text in result.histograms.values()]
    assert sum(timed) == result.requests.completed


@pytest.mark.parametrize("deployed", [deployment("c-lost-worker")], indirect=True)
def test_a_lost_worker_is_the_load_generators_own_fault(deployed: KubernetesCluster, api: Api) -> None:
    with shopping(deployed, workers=2) as load:
        load.go_on()
        mark = load.mark("f1")
        victim = api.list(POD, f"{OURS},statefall/load=worker").items[0]
        api.delete(POD, name_of(victim), uid=victim["metadata"]["uid"], grace_s=0)
        load.wait(lambda: _workers(load.channel.url) < 2, "the loss was noticed")
        load.go_on()
        result = load.finish()
    assert any("was lost" in fault for fault in result.generator_faults)
    # Half of the shoppers went with it. None of the others blames the service.
    assert mark.live_sessions == 36
    assert marked(result, *WORSE) == []
    assert_books_balance(result)


@pytest.mark.parametrize("deployed", [deployment("c-lost-load", replicas=1)], indirect=True)
def test_how_the_only_load_process_ended_is_known(deployed: KubernetesCluster, api: Api) -> None:
    with shopping(deployed) as load:
        assert deployed.load_end() == ""
        (master,) = api.list(POD, f"{OURS},statefall/load=master").items
        run_in(api, name_of(master), ["sh", "-c", "kill -KILL -1"])
        assert deployed.load_end() == f"its pod {name_of(master)} ended: signal 9"
        for _ in range(MISSED_POLLS):
            load.channel.events()
        with pytest.raises(LoadGeneratorError, match="it did not answer"):
            load.channel.events()
    with shopping(deployed) as load:
        (master,) = api.list(POD, f"{OURS},statefall/load=master").items
        api.delete(POD, name_of(master), uid=master["metadata"]["uid"], grace_s=0)
        assert deployed.load_end() == f"its pod {name_of(master)} was deleted"


@pytest.mark.parametrize("deployed", [deployment("c-silent-master")], indirect=True)
def test_a_worker_that_does_not_hear_its_master_is_not_ready(deployed: KubernetesCluster, api: Api) -> None:
    with shopping(deployed, workers=2):
        (master,) = api.list(POD, f"{OURS},statefall/load=master").items
        assert _ready_workers(api) == 2
        # All processes of the container but the first and the shell itself
        assert run_in(api, name_of(master), ["sh", "-c", "kill -STOP -1"]).fine
        try:
            wait_until(deployed, lambda _: _ready_workers(api) == 0, "both are found to be cut off")
        finally:
            assert run_in(api, name_of(master), ["sh", "-c", "kill -CONT -1"]).fine
        wait_until(deployed, lambda _: _ready_workers(api) == 2, "both hear it again")


def _ready_workers(api: Api) -> int:
    return sum(pod_of(thing).ready for thing in api.list(POD, f"{OURS},statefall/load=worker").items)


def _workers(url: str) -> int:
    return int(httpx.get(f"{url}/statefall/ready", trust_env=False, timeout=10.0).json()["workers"])


@pytest.mark.parametrize("deployed", [deployment("c-client-ip", balancer=Balancer.CLIENT_IP)], indirect=True)
def test_by_client_address_all_load_from_one_pod_is_one_client(deployed: KubernetesCluster) -> None:
    with shopping(deployed) as load:
        load.go_on()
        mark = load.mark("f1")
        (home,) = mark.by_boot
        (victim,) = [pod for pod in deployed.pods() if home.startswith(f"{pod.name}/")]
        deployed.kill(victim)
        wait_until(deployed, all_ready(3), "it is back")
        load.go_on()
        result = load.finish()
    assert mark.live_sessions == 36
    # Its address led all of them there, so the one replica held them all, and the kill took them all.
    assert len(marked(result, Verdict.LOST)) == 36
