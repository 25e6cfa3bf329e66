"""A Valkey cluster and a Sentinel failover as the session store, tried on real servers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import redis

from services.metrics import Metrics
from services.refusals import Unavailable
from services.sessions import backup, restore
from services.sessions.protocol import Ended, SessionStore
from services.sessions.session import Session
from services.settings import SessionDesign
from services.store import Store
from services.store_client import COMMAND_TIMEOUT_S, connector
from tests.services.backing import together, wait_until
from tests.services.sessions.designs import full_session, household, session
from tests.services.sessions.processes import Browser, replicas
from tests.services.sessions.test_every_design import act
from tests.services.sessions.test_shared_designs import versions, write
from tests.services.sessions.valkeys import Watched, cluster, watched

HANG_S = 1.6
"""A second and a margin for a busy machine."""
IN_STORE = (SessionDesign.EXTERNAL, SessionDesign.WRITE_THROUGH)


@pytest.fixture(scope="module")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[int]]]:
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def cluster_url(running_cluster: tuple[str, list[int]]) -> str:
    """Of an empty cluster."""
    url, ports = running_cluster
    for port in ports:
        with redis.Redis(port=port) as client:
            client.flushall()
    return url


def keys_on(ports: list[int]) -> list[int]:
    """How many keys each node has."""
    sizes = []
    for port in ports:
        with redis.Redis(port=port) as client:
            sizes.append(client.dbsize())
    return sizes


@pytest.mark.parametrize("design", [*IN_STORE, SessionDesign.HANDOFF])
def test_sessions_live_in_a_cluster(
    design: SessionDesign, cluster_url: str, running_cluster: tuple[str, list[int]]
) -> None:
    with household(design, cluster_url) as house:
        first = house.start("first")
        for number in range(100):
            first.create(session(str(number), number))
        first.create(full_session())
        together([partial(write, first, 10, key="7") for _ in range(4)])
        assert first.delete("8")
        house.end("first")
        assert all(size > 0 for size in keys_on(running_cluster[1]))
        second = house.start("second")
        found = second.load(full_session().key)
        assert found is not None
        assert (found.cart, found.name) == (full_session().cart, full_session().name)
        assert versions(second.load("7")) == 40
        assert second.load("8") is None
        assert second.ended("8") is (Ended.LOGGED_OUT if design in IN_STORE else None)
        for number in range(9, 100):
            found = second.load(str(number))
            assert found is not None
            assert found.user_id == number


def test_a_cluster_is_counted_saved_and_restored(
    cluster_url: str, running_cluster: tuple[str, list[int]], tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    with household(SessionDesign.EXTERNAL, cluster_url, store_timeout_s=COMMAND_TIMEOUT_S) as house:
        sessions = house.start("a")
        for number in range(60):
            sessions.create(session(str(number)))
        store = house.stores["a"]
        assert len(store.keys("statefall:session:*")) == 60
        assert len(store.servers()) == 3
        assert backup.main(["--store-url", cluster_url, "--to", str(file)]) == 0
        for port in running_cluster[1]:
            with redis.Redis(port=port) as client:
                client.flushall()
        assert restore.main(["--store-url", cluster_url, "--from", str(file)]) == 0
        assert all(sessions.load(str(number)) is not None for number in range(60))


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as store:
        yield store


@pytest.mark.parametrize("design", IN_STORE)
def test_a_failover_under_writes_loses_none_that_a_replica_was_waited_for(
    design: SessionDesign, sentinels: Watched
) -> None:
    """Without waiting for a replica (the default) the primary may die with writes that it acknowledged
    and had not yet sent on: that is what asynchronous replication allows."""
    with household(design, sentinels.url, store_replicas=1) as house:
        sessions = house.start("a")
        keys = [str(number) for number in range(6)]
        for key in keys:
            sessions.create(session(key))
        stop = threading.Event()
        actions: list[Callable[[], tuple[int, int] | None]] = [
            *(partial(write_until, sessions, key, stop) for key in keys),
            partial(fail_over, sentinels, stop),
        ]
        outcomes = together(actions)
        for key, outcome in zip(keys, outcomes[:-1], strict=True):
            assert outcome is not None
            acknowledged, unknown = outcome
            newest = versions(settled(sessions, key))
            assert acknowledged <= newest <= acknowledged + unknown, key
        assert sum(outcome[1] for outcome in outcomes if outcome) > 0  # the failover was felt


def write_until(sessions: SessionStore, key: str, stop: threading.Event) -> tuple[int, int]:
    """Write without pause; returns how many writes were acknowledged and of how many nobody knows."""
    acknowledged = unknown = 0
    while not stop.is_set():
        try:
            changed = sessions.update(key, act)
        except Unavailable:
            unknown += 1
            continue
        assert changed is not None, "a session was called lost"
        assert changed.version > acknowledged
        unknown -= changed.version - acknowledged - 1
        acknowledged = changed.version
    return acknowledged, unknown


def fail_over(sentinels: Watched, stop: threading.Event) -> None:
    """Kill the primary under the writers, and let them go on for a while with the new one."""
    with redis.Redis(port=sentinels.primary) as client:
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        wait_until(
            lambda: client.info("commandstats")["cmdstat_evalsha"]["calls"] > before + 100, "writes flow"
        )
    sentinels.servers.kill(sentinels.primary)
    try:
        wait_until(lambda: sentinels.primary_now() != sentinels.primary, "a replica was made the primary")
        with redis.Redis(port=sentinels.primary_now()) as client:
            wait_until(lambda: _scripts(client) > 100, "writes flow again")
    finally:
        stop.set()


def _scripts(client: redis.Redis) -> int:
    stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha"))


def settled(sessions: SessionStore, key: str) -> Session | None:
    """The session, once the store answers."""
    found = []

    def answers() -> bool:
        try:
            found.append(sessions.load(key))
        except Unavailable:
            return False
        return True

    wait_until(answers, "the store answers")
    return found[-1]


def test_a_write_that_no_replica_confirms_is_not_acknowledged(sentinels: Watched) -> None:
    with household(SessionDesign.EXTERNAL, sentinels.url, store_replicas=1) as house:
        sessions = house.start("a")
        sessions.create(session())
        for port in sentinels.replicas:
            sentinels.servers.kill(port)
        with pytest.raises(Unavailable):
            sessions.update(session().key, act)
        assert sessions.load(session().key) is not None  # reads promise nothing, and go on


def test_a_login_does_not_hang_with_its_store_and_sentinels(database_url: str, sentinels: Watched) -> None:
    with replicas(SessionDesign.EXTERNAL, database_url, sentinels.url) as start:
        served, browser = start("pod-a"), Browser(1)
        assert browser.login(served).status == 200
        sentinels.servers.pause_all()
        answers = [browser.login(served) for _ in range(4)]
        assert {answer.status for answer in answers} == {503}
        assert max(answer.took_s for answer in answers) < HANG_S
        sentinels.servers.resume_all()
        wait_until(lambda: browser.login(served).status == 200, "the store is found")


def test_waiting_for_replicas_of_a_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="not with a cluster"):
        Store("redis+cluster://a:1", Metrics("p", "b"), connections=1, replicas=1)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://host", "scheme"),
        ("redis+cluster://host", "host:port"),
        ("redis+cluster://a:1,b:x", "host:port"),
        ("redis+cluster://a:1/3", "numbered databases"),
        ("redis+sentinel://a:1,b:2", "name the primary"),
        ("redis+sentinel://a:1/x/y", "name the primary"),
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        connector(url, 1)
