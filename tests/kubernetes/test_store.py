"""The store fails as a pod of the cluster: it refuses at once, or takes connections and answers nothing."""

from __future__ import annotations

import pytest

from statefall.clusters.kubernetes import KubernetesCluster
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.objects import store_commands
from statefall.clusters.kubernetes.objects.kinds import DEPLOYMENT, POD, name_of
from statefall.clusters.protocol import Pod
from statefall.records.terms import StateDesign
from tests.kubernetes.conftest import deployment
from tests.kubernetes.timeline import all_ready

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]


def test_a_deployment_begins_without_keys_of_runs_while_the_pods_of_the_last_one_end(
    opened: KubernetesCluster, api: Api
) -> None:
    (store,) = [name_of(p) for p in api.list(POD, "app.kubernetes.io/component=store").items]

    def valkey(command: str) -> str:
        return run_in(api, store, ["sh", "-c", f"valkey-cli {command}"]).output.strip()

    opened.deploy(deployment("c-last", state=StateDesign.EXTERNAL, replicas=1))
    last = _database_of(api, "c-last")
    opened.withdraw()
    valkey("set statefall:session:{of-a-user-by-hand} kept")
    for database in store_commands.DATABASES:
        valkey(f"-n {database} set statefall:session:{{of-a-cell-before}} there")
    opened.deploy(deployment("c-external", state=StateDesign.EXTERNAL, replicas=1))
    try:
        database = _database_of(api, "c-external")
        assert valkey("get statefall:session:{of-a-user-by-hand}") == "kept"
        assert valkey(f"-n {database} exists statefall:session:{{of-a-cell-before}}") == "0"
        # What a pod of the last one still writes falls into a database of its own.
        assert database != last
        assert not api.list(POD, "statefall/deployment=c-last").items
    finally:
        opened.withdraw()


def _database_of(api: Api, name: str) -> int:
    """The numbered database of the store that the Deployment uses."""
    found = api.get(DEPLOYMENT, name)
    assert found is not None
    (container,) = found["spec"]["template"]["spec"]["containers"]
    (url,) = [entry["value"] for entry in container["env"] if entry["name"] == "STATEFALL_STORE_URL"]
    return int(url.rpartition("/")[2])


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
