"""Shoppers with WebSockets and conversations in the real stateful shop, through the real balancer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import TypeVar

import pytest

from shop.live import CONNECTIONS
from statefall.clusters.local import LocalCluster
from statefall.conductor.services import twins
from statefall.load.channel import LoadChannel
from statefall.records.cells import CellSpec
from statefall.records.events import ConnectionLost, Event, MessageLost, Tick
from statefall.records.terms import Balancer, Service, StateDesign
from statefall.records.verdicts import LoadResult, Verdict
from tests.load.generator import DEADLINE_S, assert_counts_balance, config_for, wait_until

pytestmark = pytest.mark.timeout(600)
"""The first start prepares the shop's data."""

E = TypeVar("E")
SHOPPERS = 12


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    cluster = LocalCluster(tmp_path_factory.mktemp("cluster"), services=(twins(),))
    cluster.open()
    yield cluster
    cluster.close()


class Evening:
    """Shoppers who are all live, on a deployment of three replicas, until `close`."""

    def __init__(self, cluster: LocalCluster, name: str, state: StateDesign, workers: int = 1) -> None:
        self.cluster = cluster
        cluster.deploy(CellSpec(name, Service.STATEFUL, state, Balancer.STICKY, 3))
        config = config_for(
            "",
            shoppers=SHOPPERS,
            workers=workers,
            think_time_s=0.1,
            timeout_s=10.0,
            websocket_share=1.0,
            conversation_share=0.3,
        )
        self.channel = LoadChannel(cluster.start_load(config))
        self.channel.wait_ready(DEADLINE_S)
        self.events: list[Event] = []
        self.channel.start()
        self.wait_for_requests(30 * SHOPPERS)

    def seen(self, kind: type[E]) -> list[E]:
        """All events of this kind until now."""
        self.events += self.channel.events()
        return self.of_kind(kind)

    def of_kind(self, kind: type[E]) -> list[E]:
        """Those that were taken."""
        return [event for event in self.events if isinstance(event, kind)]

    def wait_for_requests(self, more: int) -> None:
        """Until so many more have completed."""

        def completed() -> int:
            return sum(event.completed for event in self.seen(Tick))

        due = completed() + more
        wait_until(lambda: completed() >= due, f"{more} requests have completed")

    def finish(self) -> LoadResult:
        self.channel.audit()
        result = self.channel.finish()
        self.events += self.channel.events()
        assert_counts_balance(result)
        live = result.realtime
        ended = live.connections_kept + live.connections_told + live.connections_broken
        assert live.connections_opened == ended
        assert result.generator_faults == ()
        return result

    def close(self) -> None:
        self.channel.close()
        self.cluster.stop_load()
        self.cluster.withdraw()


def test_a_healthy_shop_breaks_nothing(cluster: LocalCluster) -> None:
    with closing(Evening(cluster, "live-h", StateDesign.MEMORY, workers=2)) as evening:
        evening.wait_for_requests(20 * SHOPPERS)
        result = evening.finish()
    live = result.realtime
    assert evening.of_kind(ConnectionLost) == []
    assert evening.of_kind(MessageLost) == []
    assert Counter(record.verdict for record in result.sessions) == {Verdict.KEPT: SHOPPERS}
    assert live.connections_opened == live.connections_kept == CONNECTIONS * SHOPPERS
    assert (live.lost, live.missed, live.duplicated, live.forgotten) == (0, 0, 0, 0)
    assert live.chats > 0
    assert live.published > 0
    assert live.delivered > live.published  # each reaches more than one connection


def test_a_killed_pod_breaks_its_connections_and_no_other(cluster: LocalCluster) -> None:
    with closing(Evening(cluster, "live-k", StateDesign.MEMORY)) as evening:
        victim = cluster.pods()[0]
        mark = evening.channel.mark("f1")
        held = sum(count for boot, count in mark.by_boot.items() if boot.startswith(f"{victim.name}/"))
        cluster.kill(victim)
        wait_until(lambda: len(evening.seen(ConnectionLost)) >= CONNECTIONS * held, "its connections break")
        evening.wait_for_requests(20 * SHOPPERS)
        result = evening.finish()
    lost = evening.of_kind(ConnectionLost)
    assert 0 < held < SHOPPERS
    assert {(event.verdict, event.code, event.home.pod) for event in lost} == {("broken", None, victim.name)}
    assert result.realtime.connections_broken == len(lost) == CONNECTIONS * held
    assert sum(r.verdict is Verdict.LOST for r in result.sessions if r.live_at_mark) == held


def test_a_deleted_pod_tells_its_connections(cluster: LocalCluster) -> None:
    with closing(Evening(cluster, "live-d", StateDesign.EXTERNAL)) as evening:
        victim = cluster.pods()[0]
        evening.channel.mark("f1")
        cluster.delete(victim)
        wait_until(lambda: bool(evening.seen(ConnectionLost)), "connections are told")
        evening.wait_for_requests(40 * SHOPPERS)
        result = evening.finish()
    lost = evening.of_kind(ConnectionLost)
    assert {(event.verdict, event.code, event.home.pod) for event in lost} == {("told", 1001, victim.name)}
    assert result.realtime.connections_told == len(lost)
    assert result.realtime.connections_broken == 0
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}


def test_a_store_outage_shows_as_lost_messages_between_replicas(cluster: LocalCluster) -> None:
    with closing(Evening(cluster, "live-s", StateDesign.MEMORY)) as evening:
        evening.channel.mark("f1")
        cluster.stop_store()
        try:
            evening.wait_for_requests(40 * SHOPPERS)
        finally:
            cluster.start_store()
        wait_until(lambda: bool(evening.seen(MessageLost)), "a hole in the numbers is seen")
        result = evening.finish()
    lost = evening.of_kind(MessageLost)
    assert {event.verdict for event in lost} == {"lost"}
    assert {event.channel.split("-")[0] for event in lost} == {"neighbours"}  # whose homes differ
    # What is seen between the audit and the end is counted too.
    assert result.realtime.lost >= sum(event.last - event.first + 1 for event in lost) > 0
    assert evening.of_kind(ConnectionLost) == []
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
