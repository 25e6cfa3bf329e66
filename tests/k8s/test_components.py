"""Components change one thing each, and go together."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.kinds import Object, labels_of, name_of
from tests.k8s.conftest import COMPONENTS, K8S, OPERATOR
from tests.k8s.test_overlays import COOKIE, annotations_of, one, state_of

Rendered = dict[str, tuple[Object, ...]]
OF_PODS = {f"app.kubernetes.io/{name}" for name in ("instance", "part-of")}
RECOMMENDED = {"app.kubernetes.io/managed-by", *OF_PODS}


def combined(here: Path, names: Sequence[str]) -> tuple[Object, ...]:
    """The base with these components, as a kustomization of a user's own."""
    up = Path("../" * (len(here.resolve().parts) - 1))
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(up / str(K8S / "base").lstrip("/"))],
        "components": [str(up / str(K8S / "components" / name).lstrip("/")) for name in names],
    }
    (here / "kustomization.yaml").write_text(json.dumps(document))
    command = [str(manifests.kubectl()), "kustomize", str(here)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def test_the_number_of_replicas_follows_their_cpu_under_any_design(tmp_path: Path) -> None:
    objects = combined(tmp_path, ["sticky", "external", "autoscale"])
    assert state_of(objects, "stateful") == "external"
    assert annotations_of(one(objects, "Service", "stateful"))[COOKIE] == "true"
    assert "replicas" not in one(objects, "Deployment", "stateful")["spec"]
    one(objects, "HorizontalPodAutoscaler", "stateful")


@pytest.mark.parametrize("order", [["external", "stateful-set"], ["stateful-set", "external"]])
def test_a_stateful_set_runs_the_same_pods_under_names_that_stay(
    order: list[str], rendered: Rendered, tmp_path: Path
) -> None:
    objects = combined(tmp_path, order)
    assert not [t for t in objects if (t["kind"], name_of(t)) == ("Deployment", "stateful")]
    found = one(objects, "StatefulSet", "stateful")
    before = one(rendered["overlays/external"], "Deployment", "stateful")
    for spec in (found["spec"]["template"]["spec"], before["spec"]["template"]["spec"]):
        (spread,) = spec["topologySpreadConstraints"]
        spread.pop("matchLabelKeys", None)  # a StatefulSet's pods have no pod-template-hash
    assert found["spec"]["template"] == before["spec"]["template"]
    assert found["spec"]["selector"] == before["spec"]["selector"]
    service = one(objects, "Service", found["spec"]["serviceName"])["spec"]
    assert service["clusterIP"] == "None"
    assert service["selector"].items() <= labels_of(found["spec"]["template"]).items()


def test_ingresses_name_their_class_where_the_balancer_may_read_it(tmp_path: Path) -> None:
    objects = combined(tmp_path, ["ingress-class"])
    for twin in ("stateless", "stateful"):
        ingress = one(objects, "Ingress", twin)
        assert ingress["spec"]["ingressClassName"] == "statefall"
        assert "kubernetes.io/ingress.class" not in annotations_of(ingress)
    one(objects, "IngressClass", "statefall")
    container = one(objects, "Deployment", "balancer")["spec"]["template"]["spec"]["containers"][0]
    assert not [argument for argument in container["args"] if "disableclusterscoperesources" in argument]
    (role,) = [t for t in objects if t["kind"] == "ClusterRole"]
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list", "watch"}


def test_each_component_is_combined_by_an_overlay_or_by_a_test() -> None:
    used = {"components/ingress-class", "components/stateful-set"}
    for file in K8S.glob("overlays/*/kustomization.yaml"):
        listed = yaml.safe_load(file.read_text()).get("components", [])
        used |= {path.removeprefix("../../") for path in listed}
    assert used == set(COMPONENTS)


def test_every_object_carries_the_recommended_labels(rendered: Rendered) -> None:
    for folder, objects in rendered.items():
        for manifest in objects:
            assert labels_of(manifest).keys() >= RECOMMENDED, f"{folder}: {name_of(manifest)}"
            if "template" in manifest.get("spec", {}):
                assert labels_of(manifest["spec"]["template"]).keys() >= OF_PODS


def test_the_version_of_a_workload_is_that_of_its_image(rendered: Rendered) -> None:
    for folder, objects in rendered.items():
        for manifest in objects:
            template = manifest.get("spec", {}).get("template")
            if template is None:
                continue
            tag = template["spec"]["containers"][0]["image"].rpartition(":")[2]
            for labels in (labels_of(manifest), labels_of(template)):
                assert labels["app.kubernetes.io/version"] == tag, f"{folder}: {name_of(manifest)}"
            selector = manifest["spec"].get("selector", {}).get("matchLabels", {})
            assert "app.kubernetes.io/version" not in selector, "it would change with each release"


# -- the Prometheus Operator ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def operators() -> tuple[Object, ...]:
    return manifests.render(OPERATOR)


def test_the_operators_rules_are_those_of_the_files(operators: tuple[Object, ...]) -> None:
    files = [K8S / "monitoring" / "prometheus" / name for name in ("recording.yml", "alerts.yml")]
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    assert one(operators, "PrometheusRule", "statefall")["spec"]["groups"] == groups


def test_the_operators_monitors_find_the_pods_that_the_annotations_name(
    operators: tuple[Object, ...], rendered: Rendered
) -> None:
    monitors = [manifest["spec"] for manifest in operators if manifest["kind"] == "PodMonitor"]
    for manifest in (*rendered["overlays/sticky"], *rendered["load"]):
        template = manifest.get("spec", {}).get("template", {"metadata": {}})
        annotations = annotations_of(template)
        if annotations.get("prometheus.io/scrape") != "true":
            continue
        (spec,) = [m for m in monitors if m["selector"]["matchLabels"].items() <= labels_of(template).items()]
        (endpoint,) = spec["podMetricsEndpoints"]
        ports = {
            p["name"]: p["containerPort"] for c in template["spec"]["containers"] for p in c.get("ports", [])
        }
        assert str(ports[endpoint["port"]]) == annotations["prometheus.io/port"], name_of(manifest)
        assert endpoint["path"] == annotations["prometheus.io/path"]


def test_the_operators_series_have_the_labels_that_the_rules_use(operators: tuple[Object, ...]) -> None:
    configured = yaml.safe_load((K8S / "monitoring/prometheus/prometheus.yml").read_text())
    wanted = {
        rule["target_label"]: rule["source_labels"]
        for rule in configured["scrape_configs"][0]["relabel_configs"]
        if not rule.get("target_label", "__").startswith("__")
    }
    for manifest in operators:
        for endpoint in manifest["spec"].get("podMetricsEndpoints", []):
            found = {rule["targetLabel"]: rule["sourceLabels"] for rule in endpoint["relabelings"]}
            assert found == wanted, name_of(manifest)
