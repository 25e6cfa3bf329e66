"""A real Prometheus while shoppers meet faults: every panel has data, and alerts fire when they are true."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from statefall.clusters.kubernetes import KubernetesCluster
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.tunnel import fetch, run_in
from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.kinds import POD, Object, labels_of, name_of
from statefall.clusters.kubernetes.objects.labels import COMPONENT, OURS
from statefall.clusters.kubernetes.objects.pods import pod_of
from statefall.content import MANIFESTS
from statefall.records.terms import Service, StateDesign
from tests.kubernetes.conftest import deployment, target
from tests.kubernetes.hand import forwarded, kubectl
from tests.kubernetes.shoppers import Shoppers, shopping
from tests.kubernetes.timeline import all_ready, wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

BOARDS = MANIFESTS / "monitoring" / "grafana" / "dashboards"
PORT = 9090
OUT_OF_REACH_S = 60.0
"""For two scrapes of what happened last, on a busy machine."""
OUTAGE_S = 10.0
"""For several scrapes, and longer than alerts wait."""
PROMETHEUS = "app.kubernetes.io/name=prometheus"


def panels() -> dict[str, str]:
    """`dashboard: panel: query` -> query."""
    return {
        f"{file.stem}: {panel['title']}: {target['expr']}": target["expr"]
        for file in sorted(BOARDS.glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
        for target in panel["targets"]
    }


def discovered(api: Api) -> list[dict[str, Any]]:
    """What Prometheus' own discovery says of every pod and port, as far as the configuration asks."""
    found = []
    for obj in api.list(POD, OURS).items:
        annotations = obj["metadata"].get("annotations", {})
        common = {
            "__meta_kubernetes_pod_name": name_of(obj),
            "__meta_kubernetes_pod_node_name": obj["spec"]["nodeName"],
            "__meta_kubernetes_pod_phase": obj["status"]["phase"],
            **{f"__meta_kubernetes_pod_label_{in_words(key)}": labels_of(obj)[key] for key in labels_of(obj)},
            **{f"__meta_kubernetes_pod_annotation_{in_words(key)}": annotations[key] for key in annotations},
        }
        for port in (p for c in obj["spec"]["containers"] for p in c.get("ports", [])):
            number = port["containerPort"]
            labels = {**common, "__meta_kubernetes_pod_container_port_number": str(number)}
            found.append({"targets": [f"{obj['status']['podIP']}:{number}"], "labels": labels})
    return found


def in_words(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", key)


def monitoring(api: Api) -> list[Object]:
    """`k8s/monitoring` without Grafana, told of the pods that are there now.

    Debian's Prometheus is built without the discovery of pods, so the test plays that part: what is
    kept of a pod, its labels, the rules and the queries are Prometheus' own work.
    """
    objects = manifests.settled(manifests.render("monitoring"), target(), "tests")
    chosen = [obj for obj in objects if labels_of(obj).get("app.kubernetes.io/name") != "grafana"]
    for obj in chosen:
        if "prometheus.yml" in obj.get("data", {}):
            configuration = yaml.safe_load(obj["data"]["prometheus.yml"])
            (job,) = configuration["scrape_configs"]
            assert job.pop("kubernetes_sd_configs") == [
                {"role": "pod", "namespaces": {"own_namespace": True}}
            ]
            job["static_configs"] = discovered(api)
            obj["data"]["prometheus.yml"] = yaml.safe_dump(configuration)
    return chosen


@contextmanager
def prometheus(api: Api, directory: Path) -> Iterator[str]:
    """A Prometheus that watches the pods that are there; its pod's name."""
    file = directory / "monitoring.yaml"
    file.write_text(yaml.safe_dump_all(monitoring(api)))
    kubectl("apply", "-f", str(file))
    try:
        kubectl("-n", api.namespace, "rollout", "status", "deployment/prometheus", "--timeout=120s")
        (pod,) = [obj for obj in api.list(POD, f"{OURS},{PROMETHEUS}").items if pod_of(obj).ready]
        yield name_of(pod)
    finally:
        kubectl("delete", "-f", str(file), "--wait=true", "--timeout=120s")


@pytest.fixture
def deployed(opened: KubernetesCluster) -> Iterator[KubernetesCluster]:
    opened.deploy(deployment("c-watched", service=Service.STATEFUL, state=StateDesign.WRITE_THROUGH))
    yield opened
    opened.stop_load()
    opened.withdraw()


def shows_its_page(resource: str, port: int, path: str, word: str) -> None:
    """Through the README's port-forward."""
    with forwarded(target().namespace, resource, port) as address:
        answer = httpx.get(f"{address}{path}", timeout=30.0, trust_env=False)
    assert answer.is_success
    assert word in answer.text


def may_find_pods() -> list[str]:
    """Whether Prometheus' own account may do what its discovery of pods does."""
    name = target().namespace
    account = f"--as=system:serviceaccount:{name}:prometheus"
    return [kubectl("-n", name, "auth", "can-i", verb, "pods", account).strip() for verb in ("list", "watch")]


def has_data(api: Api, pod: str, query: str) -> bool:
    """Whether the query has a value that is a number, now."""
    body = fetch(api, pod, PORT, f"/api/v1/query?query={quote(query)}", timeout_s=30.0)
    answer = json.loads(body)
    assert answer["status"] == "success", query
    return any(not math.isnan(float(series["value"][1])) for series in answer["data"]["result"])


def fired(api: Api, pod: str) -> set[str]:
    """The alerts that fire now or fired before: one may come and go between two looks."""
    query = quote('max by (alertname) (max_over_time(ALERTS{alertstate="firing"}[30m]))')
    answer = json.loads(fetch(api, pod, PORT, f"/api/v1/query?query={query}", timeout_s=30.0))
    return {series["metric"]["alertname"] for series in answer["data"]["result"]}


def rules(api: Api, pod: str) -> dict[str, str]:
    """Recording rule or alert -> its health: `ok`, `unknown` before its first evaluation, `err`."""
    groups = json.loads(fetch(api, pod, PORT, "/api/v1/rules", timeout_s=30.0))["data"]["groups"]
    return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}


def misfortunes(cluster: KubernetesCluster, api: Api, load: Shoppers) -> None:
    """The store is away for a while, then it has forgotten all, and a replica is killed: what panels show."""
    load.go_on()
    load.mark("f1")
    cluster.stop_store()
    back_s = time.monotonic() + OUTAGE_S
    try:
        while time.monotonic() < back_s:
            load.go_on(20)
    finally:
        cluster.start_store()
    load.go_on()
    (store,) = api.list(POD, f"{OURS},{COMPONENT}=store").items
    assert run_in(api, name_of(store), ["sh", "-c", "valkey-cli flushall"]).fine
    cluster.kill(cluster.pods()[0])
    wait_until(cluster, all_ready(3), "it is back")
    load.go_on()


FIRE = {"SessionsLost", "ReplicaRestarted", "StoreErrors", "RequestsFail", "BalancerAnswersErrors"}
SILENT = {"ForeignOrDuplicatedState", "BalancerDown"}
"""Nothing that the test does makes them true."""


def test_panels_have_data_and_alerts_fire_during_a_run(
    deployed: KubernetesCluster, api: Api, tmp_path: Path
) -> None:
    missing = panels()
    assert len(missing) > 30
    with shopping(deployed) as load, prometheus(api, tmp_path) as pod:
        shows_its_page("service/load", 8089, "/", "Locust")
        shows_its_page("service/prometheus", 9090, "/-/ready", "Prometheus")
        assert may_find_pods() == ["yes", "yes"]
        load.wait(lambda: set(rules(api, pod).values()) == {"ok"}, "every rule was evaluated")
        load.go_on()
        assert fired(api, pod) == set()
        misfortunes(deployed, api, load)
        deadline = time.monotonic() + OUT_OF_REACH_S
        while (missing or not fired(api, pod) >= FIRE) and time.monotonic() < deadline:
            load.go_on(20)
            missing = {panel: query for panel, query in missing.items() if not has_data(api, pod, query)}
        assert set(rules(api, pod).values()) == {"ok"}
        seen = fired(api, pod)
    assert list(missing) == []
    assert FIRE - seen == set()
    assert seen & SILENT == set()
