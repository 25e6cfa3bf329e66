"""The store fails as a pod of the cluster: it refuses at once, or takes connections and answers nothing."""

from __future__ import annotations

import pytest

from clusters.kubernetes import KubernetesCluster
from clusters.kubernetes.api import Api
from clusters.kubernetes.kinds import POD, name_of
from clusters.kubernetes.tunnel import run_in
from clusters.protocol import Pod
from tests.kubernetes.timeline import all_ready

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]


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
