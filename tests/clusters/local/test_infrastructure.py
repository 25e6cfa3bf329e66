"""The database and the store that all pods share: their passwords, and what is done to the store."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from statefall.clusters.local import LocalCluster
from statefall.records.cells import CellSpec

Make = Callable[..., CellSpec]


def urls(cluster: LocalCluster, deployment: Make) -> dict[str, str]:
    """The settings of a replica that was just deployed, by their names."""
    cluster.deploy(deployment(replicas=1))
    settings: dict[str, str] = httpx.get(f"{cluster.base_url}/environment").json()
    return settings


def test_a_store_outage_refuses_connections_and_keeps_the_content(
    cluster: LocalCluster, deployment: Make
) -> None:
    url = urls(cluster, deployment)["STATEFALL_STORE_URL"]
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
        cluster.stop_store()
        cluster.stop_store()
        with pytest.raises(redis.ConnectionError, match="refused"):
            redis.Redis.from_url(url).ping()
        cluster.start_store()
        assert client.get("kept") == b"yes"
    cluster.withdraw()
    cluster.deploy(deployment(replicas=1, name="c2"))
    with redis.Redis.from_url(url) as client:
        assert client.get("kept") is None, "a deployment begins with an empty store"


def test_a_paused_store_takes_connections_and_answers_nothing_until_its_time_is_over(
    cluster: LocalCluster, deployment: Make
) -> None:
    url = urls(cluster, deployment)["STATEFALL_STORE_URL"]
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
        cluster.pause_store(1.5)
        with (
            redis.Redis.from_url(url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)) as hurried,
            pytest.raises(redis.TimeoutError),
        ):
            hurried.get("kept")
        cluster.start_store()
        assert client.get("kept") == b"yes"


def test_the_database_and_the_store_refuse_a_wrong_password(cluster: LocalCluster, deployment: Make) -> None:
    environment = urls(cluster, deployment)
    database_url, store_url = environment["STATEFALL_DATABASE_URL"], environment["STATEFALL_STORE_URL"]
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        password = connection.info.password
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(database_url.replace(password, "wrong"))
    host = store_url.rpartition("@")[2]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"redis://{host}").ping()
