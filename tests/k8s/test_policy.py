"""What no linter knows: the rules of this house, checked on every object that kustomize makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from statefall.clusters.kubernetes.objects.kinds import Object, labels_of, name_of
from statefall.clusters.kubernetes.objects.labels import COMPONENT, PART_OF, REPLICA
from statefall.clusters.kubernetes.objects.target import image_name
from tests.k8s.conftest import FOLDERS, OVERLAYS

Rendered = dict[str, tuple[Object, ...]]
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|KEYS?$|AUTH", re.IGNORECASE)
EVERYWHERE = pytest.mark.parametrize("folder", FOLDERS)
LONG_RUNNING = {"Deployment", "StatefulSet"}
TWO_PART_VERSIONS = {"postgres": 2}
"""Whose releases have no third number."""
SHORT_JOB = "shop-data"
"""Its end is its health."""


def workloads(objects: tuple[Object, ...]) -> Iterator[tuple[str, Object]]:
    """(kind and name, pod template) of whatever makes pods."""
    for manifest in objects:
        if "template" in manifest.get("spec", {}):
            yield f"{manifest['kind']} {name_of(manifest)}", manifest["spec"]["template"]


def of_kind(objects: tuple[Object, ...], *kinds: str) -> list[Object]:
    return [manifest for manifest in objects if manifest["kind"] in kinds]


def selects(selector: Object, template: Object) -> bool:
    wanted: dict[str, str] = selector.get("matchLabels", selector)
    return bool(wanted.items() <= labels_of(template).items())


def environment(container: Object) -> dict[str, Any]:
    return {entry["name"]: entry for entry in container.get("env", [])}


@EVERYWHERE
def test_all_lies_in_one_namespace_and_says_whose_it_is(folder: str, rendered: Rendered) -> None:
    for manifest in rendered[folder]:
        assert labels_of(manifest)[PART_OF] == "statefall", name_of(manifest)
        if manifest["kind"] == "Namespace":
            assert labels_of(manifest)["pod-security.kubernetes.io/enforce"] == "restricted"
        else:
            assert manifest["metadata"]["namespace"] == "statefall", name_of(manifest)
    for what, template in workloads(rendered[folder]):
        assert labels_of(template)[PART_OF] == "statefall", what


@EVERYWHERE
def test_pods_are_restricted_and_write_nowhere_but_into_volumes_of_limited_size(
    folder: str, rendered: Rendered
) -> None:
    for what, template in workloads(rendered[folder]):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, what
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, what
        assert spec["enableServiceLinks"] is False, what
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, what
            assert context["allowPrivilegeEscalation"] is False, what
            assert context["capabilities"] == {"drop": ["ALL"]}, what
        for volume in spec.get("volumes", []):
            assert "configMap" in volume or volume["emptyDir"]["sizeLimit"], what


@EVERYWHERE
def test_pods_ask_for_what_they_need_and_have_a_limit(folder: str, rendered: Rendered) -> None:
    for what, template in workloads(rendered[folder]):
        for container in template["spec"]["containers"]:
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, what
            assert container["resources"]["limits"].keys() >= {"cpu", "memory"}, what


@EVERYWHERE
def test_images_have_a_pinned_tag(folder: str, rendered: Rendered) -> None:
    for what, template in workloads(rendered[folder]):
        for container in template["spec"]["containers"]:
            assert pinned(container["image"]), what


def pinned(image: str) -> bool:
    """Whether the image names one release of itself: a digest, or a tag that says all of its version."""
    name, _, digest = image.partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    parts = TWO_PART_VERSIONS.get(image_name(image), 3)
    return bool(digest) or bool(re.fullmatch(r"v?\d+" + r"\.\d+" * (parts - 1), tag))


def test_a_tag_that_moves_pins_nothing() -> None:
    for image in ("postgres", "registry:5000/x", "registry:5000/x:latest", "traefik:v3.7", "postgres:18"):
        assert not pinned(image), image
    for image in ("postgres:18.6", "traefik:v3.7.15", "registry:5000/x:1.0.0", "registry:5000/x@sha256:0123"):
        assert pinned(image), image


ALL_OURS = {"matchLabels": {"app.kubernetes.io/part-of": "statefall"}}
API_SERVER_PORTS = {443, 6443, 8443, 16443}
"""Of a Service or a managed cluster; kubeadm, kind and k3s; minikube; MicroK8s."""


@pytest.mark.parametrize(
    ("folder", "component"),
    [("base", "balancer"), ("conductor", "conductor"), ("monitoring", "monitoring")],
)
def test_whoever_asks_the_api_server_may_reach_it_on_any_usual_port(
    folder: str, component: str, rendered: Rendered
) -> None:
    (policy,) = [
        p["spec"]
        for p in of_kind(rendered[folder], "NetworkPolicy")
        if p["spec"]["podSelector"].get("matchLabels") == {COMPONENT: component}
    ]
    ports = {port["port"] for rule in policy["egress"] if "to" not in rule for port in rule["ports"]}
    assert ports == API_SERVER_PORTS


@EVERYWHERE
def test_every_role_is_probed(folder: str, rendered: Rendered) -> None:
    for manifest in of_kind(rendered[folder], *LONG_RUNNING, "Job"):
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            if name_of(manifest) == SHORT_JOB:
                continue
            assert "livenessProbe" in container, name_of(manifest)
            if name_of(manifest) != "conductor":  # nobody waits for it to be ready
                assert "readinessProbe" in container, name_of(manifest)


def test_load_reaches_replicas_wherever_it_may_run(rendered: Rendered) -> None:
    for folder in ("load", "conductor"):
        policies = {name_of(p): p["spec"] for p in of_kind(rendered[folder], "NetworkPolicy")}
        assert policies["load-to-replica"]["podSelector"]["matchLabels"] == {COMPONENT: REPLICA}


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_the_balancer_ends_by_itself_before_it_is_killed(folder: str, rendered: Rendered) -> None:
    (template,) = [t for _, t in workloads(rendered[folder]) if labels_of(t)[COMPONENT] == "balancer"]
    arguments = " ".join(template["spec"]["containers"][0]["args"])
    graceful_timeout_s = {int(found) for found in re.findall(r"lifecycle\.gracetimeout=(\d+)s", arguments)}
    assert max(graceful_timeout_s) < template["spec"]["terminationGracePeriodSeconds"]


@EVERYWHERE
def test_no_secret_stands_in_the_manifests(folder: str, rendered: Rendered) -> None:
    assert not of_kind(rendered[folder], "Secret")
    for what, template in workloads(rendered[folder]):
        for container in template["spec"]["containers"]:
            for name, entry in environment(container).items():
                if SECRET_NAME.search(name) and not name.startswith("GF_AUTH"):
                    assert "secretKeyRef" in entry["valueFrom"], f"{what}: {name}"
                if "://" in entry.get("value", "") and "@" in entry["value"]:
                    assert re.search(r":\$\(\w+_PASSWORD\)@", entry["value"]), f"{what}: {name}"


@EVERYWHERE
def test_a_token_is_mounted_only_where_a_role_is_bound(folder: str, rendered: Rendered) -> None:
    bound = {
        subject["name"]
        for binding in of_kind(rendered[folder], "RoleBinding")
        for subject in binding["subjects"]
    }
    for what, template in workloads(rendered[folder]):
        mounts = template["spec"]["automountServiceAccountToken"]
        assert mounts == (template["spec"].get("serviceAccountName") in bound), what


@EVERYWHERE
def test_roles_name_what_they_grant_and_reach_no_further_than_the_namespace(
    folder: str, rendered: Rendered
) -> None:
    assert not of_kind(rendered[folder], "ClusterRole", "ClusterRoleBinding")
    for role in of_kind(rendered[folder], "Role"):
        for rule in role["rules"]:
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]], name_of(role)
            if "secrets" in rule["resources"]:
                assert set(rule["verbs"]) <= {"list", "watch"}, name_of(role)


@EVERYWHERE
def test_every_pod_has_a_network_policy_of_its_own(folder: str, rendered: Rendered) -> None:
    policies = [p for p in of_kind(rendered[folder], "NetworkPolicy") if p["spec"]["podSelector"] != ALL_OURS]
    for what, template in workloads(rendered[folder]):
        assert any(selects(policy["spec"]["podSelector"], template) for policy in policies), what


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_nothing_is_allowed_that_is_not_listed(folder: str, rendered: Rendered) -> None:
    denying = [p for p in of_kind(rendered[folder], "NetworkPolicy") if p["spec"]["podSelector"] == ALL_OURS]
    assert any(
        set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"} and len(p["spec"]) == 2 for p in denying
    )
    for what, template in workloads(rendered[folder]):
        assert selects(ALL_OURS, template), what


@EVERYWHERE
def test_pods_of_others_in_the_namespace_are_under_no_policy(folder: str, rendered: Rendered) -> None:
    foreign: Object = {"metadata": {"labels": {"app.kubernetes.io/name": "somebody-elses"}}}
    for policy in of_kind(rendered[folder], "NetworkPolicy"):
        assert not selects(policy["spec"]["podSelector"], foreign), name_of(policy)


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_a_pod_whose_image_could_not_be_had_is_mended_by_applying_again(
    folder: str, rendered: Rendered
) -> None:
    found = of_kind(rendered[folder], "StatefulSet")
    assert {name_of(manifest) for manifest in found} == {"database", "store"}
    assert {manifest["spec"]["podManagementPolicy"] for manifest in found} == {"Parallel"}


@EVERYWHERE
def test_services_and_ingresses_lead_somewhere(folder: str, rendered: Rendered) -> None:
    templates = [template for _, template in workloads(rendered[folder])]
    services = {name_of(manifest): manifest for manifest in of_kind(rendered[folder], "Service")}
    for name, service in services.items():
        behind = [t for t in templates if selects(service["spec"]["selector"], t)]
        assert len(behind) == 1, name
        ports = {port["name"] for c in behind[0]["spec"]["containers"] for port in c["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name
    for ingress in of_kind(rendered[folder], "Ingress"):
        for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            assert backend["port"]["name"] in {p["name"] for p in services[backend["name"]]["spec"]["ports"]}


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_what_serves_has_a_disruption_budget(folder: str, rendered: Rendered) -> None:
    budgets = of_kind(rendered[folder], "PodDisruptionBudget")
    for manifest in of_kind(rendered[folder], *LONG_RUNNING):
        template = manifest["spec"]["template"]
        fitting = [b for b in budgets if selects(b["spec"]["selector"], template)]
        assert len(fitting) == 1, name_of(manifest)
        replica = labels_of(manifest)[COMPONENT] == REPLICA
        assert fitting[0]["spec"]["maxUnavailable"] == (1 if replica else 0), name_of(manifest)


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_a_replica_ends_by_itself_before_it_is_killed(folder: str, rendered: Rendered) -> None:
    replicas = [t for _, t in workloads(rendered[folder]) if labels_of(t)[COMPONENT] == REPLICA]
    assert len(replicas) == 2
    for template in replicas:
        container = template["spec"]["containers"][0]
        pre_stop_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        graceful_timeout_s = int(environment(container)["STATEFALL_GRACEFUL_TIMEOUT_S"]["value"])
        assert pre_stop_s + graceful_timeout_s < template["spec"]["terminationGracePeriodSeconds"]
        spread = template["spec"]["topologySpreadConstraints"][0]
        assert selects(spread["labelSelector"], template)
        assert "startupProbe" in container
