"""The shoppers in the real shops, behind the real balancer, on a local cluster."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from statefall.clusters.local import LocalCluster
from statefall.conductor.services import twins
from statefall.load.channel import LoadChannel
from statefall.records.cells import CellSpec
from statefall.records.events import Event, SessionLost, SessionStarted, Tick
from statefall.records.terms import Balancer, Service, StateDesign
from statefall.records.verdicts import Verdict
from tests.load.generator import DEADLINE_S, assert_counts_balance, config_for, wait_until

pytestmark = pytest.mark.timeout(600)
"""The first start prepares the shop's data."""

SHOPPERS = 24


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    cluster = LocalCluster(tmp_path_factory.mktemp("cluster"), services=(twins(),))
    cluster.open()
    yield cluster
    cluster.close()


E = TypeVar("E")


class GeneratedLoad:
    """A load on the cluster's deployment, until `close`."""

    def __init__(self, cluster: LocalCluster, workers: int) -> None:
        self.cluster = cluster
        config = config_for("", shoppers=SHOPPERS, workers=workers, think_time_s=0.2, timeout_s=10.0)
        self.channel = LoadChannel(cluster.start_load(config))
        self.channel.wait_ready(DEADLINE_S)
        self.events = self.channel.events()

    def of_kind(self, kind: type[E]) -> list[E]:
        """Those that were taken."""
        return [event for event in self.events if isinstance(event, kind)]

    def wait_for(self, kind: type[Event], count: int) -> None:
        """Until there were so many of this kind."""

        def enough() -> bool:
            self.events += self.channel.events()
            return len(self.of_kind(kind)) >= count

        wait_until(enough, f"{count} {kind.kind}")

    def wait_for_requests(self, count: int) -> None:
        """Until so many have completed."""

        def enough() -> bool:
            self.events += self.channel.events()
            return sum(tick.completed for tick in self.of_kind(Tick)) >= count

        wait_until(enough, f"{count} requests have completed")

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
    ("service", "state", "balancer", "workers"),
    [
        (Service.STATELESS, StateDesign.CLIENT, Balancer.PLAIN, 1),
        (Service.STATEFUL, StateDesign.MEMORY, Balancer.STICKY, 2),
    ],
)
def test_healthy_twins_keep_every_session_and_counted_what_was_sent(
    cluster: LocalCluster, service: Service, state: StateDesign, balancer: Balancer, workers: int
) -> None:
    cluster.deploy(CellSpec(f"h{workers}-{service}", service, state, balancer, 3))
    with closing(GeneratedLoad(cluster, workers)) as load:
        load.channel.start()
        load.wait_for(SessionStarted, SHOPPERS)
        mark = load.channel.mark("none")
        load.wait_for_requests(20 * SHOPPERS)
        load.channel.audit()
        result = load.channel.finish()
        operations = metric(cluster, "statefall_operations_total")
        load.events += load.channel.events()
    assert load.of_kind(SessionLost) == []
    assert Counter(record.verdict for record in result.sessions) == {Verdict.KEPT: SHOPPERS}
    assert mark.live_sessions == SHOPPERS
    assert_counts_balance(result)
    assert result.requests.failed == 0
    assert operations['{repeated="no"}'] == result.operations
    assert operations['{repeated="yes"}'] == 0


def test_a_killed_pod_takes_the_sessions_with_it_that_the_mark_counted_there(cluster: LocalCluster) -> None:
    cluster.deploy(CellSpec("k1", Service.STATEFUL, StateDesign.MEMORY, Balancer.STICKY, 3))
    with closing(GeneratedLoad(cluster, 1)) as load:
        load.channel.start()
        load.wait_for(SessionStarted, SHOPPERS)
        victim = cluster.pods()[0]
        mark = load.channel.mark("f1")
        cluster.kill(victim)
        held = sum(count for boot, count in mark.by_boot.items() if boot.startswith(f"{victim.name}/"))
        load.wait_for(SessionStarted, SHOPPERS + held)
        load.channel.audit()
        result = load.channel.finish()
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
    assert_counts_balance(result)


def test_without_stickiness_sessions_in_memory_are_lost_before_any_fault(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    cluster.deploy(CellSpec("p1", Service.STATEFUL, StateDesign.MEMORY, Balancer.PLAIN, 3))
    with closing(GeneratedLoad(cluster, 1)) as load:
        load.channel.start()
        load.wait_for(SessionLost, 2 * SHOPPERS)
        result = load.channel.finish()
        lost = metric(cluster, "statefall_sessions_lost_total")
        load.events += load.channel.events()
    found = Counter(event.verdict for event in load.of_kind(SessionLost))
    assert set(found) == {Verdict.LOST, Verdict.MISROUTED}
    assert sum(record.verdict is Verdict.LOST for record in result.sessions) == found[Verdict.LOST]
    assert sum(sum(codes.values()) for codes in result.told_lost.values()) == lost.total()
    assert_counts_balance(result)
