"""The shoppers in the real shops, behind the real balancer, on a local cluster."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from clusters.local import LocalCluster
from clusters.protocol import Deployment
from foundation.terms import Balancer, Service, StateDesign
from foundation.verdicts import Verdict
from loadtests.channel import LoadChannel
from tests.loadtests.generator import DEADLINE_S, assert_books_balance, config_for, wait_until

pytestmark = pytest.mark.timeout(600)
"""The first start prepares the shop's data."""

SHOPPERS = 24


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    cluster = LocalCluster(tmp_path_factory.mktemp("cluster"))
    cluster.open()
    yield cluster
    cluster.close()


class Visit:
    """A load on the cluster's deployment, until `close`."""

    def __init__(self, cluster: LocalCluster, workers: int) -> None:
        self.cluster = cluster
        config = config_for("", shoppers=SHOPPERS, workers=workers, think_time_s=0.2, timeout_s=10.0)
        self.channel = LoadChannel(cluster.start_load(config.to_json()))
        self.channel.wait_ready(DEADLINE_S)
        self.events = self.channel.events()

    def wait_for(self, kind: str, field: str, count: int) -> None:
        """Until the field, or the events themselves where it is empty, add up to so many."""

        def enough() -> bool:
            self.events += self.channel.events()
            found = [event for event in self.events if event["kind"] == kind]
            return sum(event[field] if field else 1 for event in found) >= count

        wait_until(enough, f"{count} {field or kind}")

    def close(self) -> None:
        self.channel.close()
        self.cluster.stop_load()
        self.cluster.withdraw()


def metric(cluster: LocalCluster, name: str) -> Counter[str]:
    """A metric summed over all pods, by its labels."""
    found: Counter[str] = Counter()
    for pod in cluster.pods():
        for labels, value in re.findall(rf"^{name}({{.*?}})? (\S+)$", cluster.metrics(pod), re.MULTILINE):
            found[labels] += int(float(value))
    return found


@pytest.mark.parametrize(
    ("service", "state", "balancer"),
    [
        (Service.STATELESS, StateDesign.CLIENT, Balancer.PLAIN),
        (Service.STATEFUL, StateDesign.MEMORY, Balancer.STICKY),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_healthy_twins_keep_every_session_and_counted_what_was_sent(
    cluster: LocalCluster, service: Service, state: StateDesign, balancer: Balancer, workers: int
) -> None:
    cluster.deploy(Deployment(f"h{workers}-{service}", service, state, balancer, 3))
    with closing(Visit(cluster, workers)) as visit:
        visit.channel.start()
        visit.wait_for("session_started", "", SHOPPERS)
        mark = visit.channel.mark("none")
        visit.wait_for("tick", "completed", 20 * SHOPPERS)
        visit.channel.audit()
        result = visit.channel.finish()
        operations = metric(cluster, "statefall_operations_total")
        visit.events += visit.channel.events()
    assert [event for event in visit.events if event["kind"] == "session_lost"] == []
    assert Counter(record.verdict for record in result.sessions) == {Verdict.KEPT: SHOPPERS}
    assert mark.live_sessions == SHOPPERS
    assert_books_balance(result)
    assert result.requests.failed == 0
    assert operations['{repeated="no"}'] == result.operations
    assert operations['{repeated="yes"}'] == 0


def test_a_killed_pod_takes_the_sessions_with_it_that_the_mark_counted_there(cluster: LocalCluster) -> None:
    cluster.deploy(Deployment("k1", Service.STATEFUL, StateDesign.MEMORY, Balancer.STICKY, 3))
    with closing(Visit(cluster, 1)) as visit:
        visit.channel.start()
        visit.wait_for("session_started", "", SHOPPERS)
        victim = cluster.pods()[0]
        mark = visit.channel.mark("f1")
        cluster.kill(victim)
        held = sum(count for boot, count in mark.by_boot.items() if boot.startswith(f"{victim.name}/"))
        visit.wait_for("session_started", "", SHOPPERS + held)
        visit.channel.audit()
        result = visit.channel.finish()
        # The victim may still be on its way back.
        wait_until(lambda: all(pod.ready for pod in cluster.pods()), "all pods are ready")
        lost = metric(cluster, "statefall_sessions_lost_total")
    assert 0 < held < SHOPPERS
    at_mark = [record for record in result.sessions if record.live_at_mark]
    assert Counter(record.verdict for record in at_mark) == {
        Verdict.LOST: held,
        Verdict.KEPT: SHOPPERS - held,
    }
    assert {record.pod for record in at_mark if record.verdict is Verdict.LOST} == {victim.name}
    assert sum(sum(codes.values()) for codes in result.told_lost.values()) == lost.total()
    assert_books_balance(result)


def test_without_stickiness_sessions_in_memory_are_lost_before_any_fault(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    cluster.deploy(Deployment("p1", Service.STATEFUL, StateDesign.MEMORY, Balancer.PLAIN, 3))
    with closing(Visit(cluster, 1)) as visit:
        visit.channel.start()
        visit.wait_for("session_lost", "", 2 * SHOPPERS)
        result = visit.channel.finish()
        lost = metric(cluster, "statefall_sessions_lost_total")
        visit.events += visit.channel.events()
    found = Counter(event["verdict"] for event in visit.events if event["kind"] == "session_lost")
    assert set(found) == {"lost", "misrouted"}
    assert sum(record.verdict is Verdict.LOST for record in result.sessions) == found["lost"]
    assert sum(sum(codes.values()) for codes in result.told_lost.values()) == lost.total()
    assert_books_balance(result)
