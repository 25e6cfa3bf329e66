"""Each overlay changes what it says and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from statefall.clusters.kubernetes.objects.kinds import Object, name_of
from tests.k8s.conftest import OVERLAYS, ROOT

Rendered = dict[str, tuple[Object, ...]]
COOKIE = "traefik.ingress.kubernetes.io/service.sticky.cookie"
STATES = ["handoff", "write-through", "external", "replicated"]


def one(objects: tuple[Object, ...], kind: str, name: str) -> Object:
    (found,) = [manifest for manifest in objects if (manifest["kind"], name_of(manifest)) == (kind, name)]
    return found


def state_of(objects: tuple[Object, ...], twin: str) -> str:
    container = one(objects, "Deployment", twin)["spec"]["template"]["spec"]["containers"][0]
    return str({entry["name"]: entry.get("value") for entry in container["env"]}["STATEFALL_STATE"])


def annotations_of(manifest: Object) -> dict[str, Any]:
    return dict(manifest["metadata"].get("annotations", {}))


def test_plain_is_the_base(rendered: Rendered) -> None:
    assert rendered["overlays/plain"] == rendered["base"]


def test_sticky_sets_a_cookie_that_scripts_cannot_read(rendered: Rendered) -> None:
    for twin in ("stateless", "stateful"):
        assert COOKIE not in annotations_of(one(rendered["base"], "Service", twin))
        sticky = annotations_of(one(rendered["overlays/sticky"], "Service", twin))
        assert sticky[COOKIE] == "true"
        assert sticky[f"{COOKIE}.httponly"] == "true"
        assert sticky[f"{COOKIE}.samesite"] == "lax"


def test_client_ip_has_no_layer_7_and_holds_an_address_for_three_hours(rendered: Rendered) -> None:
    objects = rendered["overlays/client-ip"]
    assert not [manifest for manifest in objects if manifest["kind"] == "Ingress"]
    for twin in ("stateless", "stateful"):
        service = one(objects, "Service", twin)["spec"]
        assert service["sessionAffinity"] == "ClientIP"
        assert service["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] == 10800


@pytest.mark.parametrize("state", STATES)
def test_a_state_design_is_one_setting_of_the_stateful_twin(state: str, rendered: Rendered) -> None:
    objects = rendered[f"overlays/{state}"]
    assert state_of(objects, "stateful") == state
    assert state_of(objects, "stateless") == "client"
    assert state_of(rendered["base"], "stateful") == "memory"


def test_the_autoscaler_owns_the_number_of_replicas(rendered: Rendered) -> None:
    objects = rendered["overlays/autoscale"]
    for twin in ("stateless", "stateful"):
        assert "replicas" not in one(objects, "Deployment", twin)["spec"]
        scaler = one(objects, "HorizontalPodAutoscaler", twin)["spec"]
        assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": twin}
        # A scale-in costs sessions: it must come slower than a scale-out.
        down, up = (scaler["behavior"][way]["stabilizationWindowSeconds"] for way in ("scaleDown", "scaleUp"))
        assert down > up


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_infrastructure_is_the_same_under_every_overlay(folder: str, rendered: Rendered) -> None:
    for kind, name in (
        ("Namespace", "statefall"),  # with which all goes away again
        ("StatefulSet", "database"),
        ("StatefulSet", "store"),
        ("Deployment", "balancer"),
    ):
        assert one(rendered[folder], kind, name) == one(rendered["base"], kind, name)


def test_the_conductor_brings_no_twin(rendered: Rendered) -> None:
    names = {(manifest["kind"], name_of(manifest)) for manifest in rendered["conductor"]}
    assert ("Deployment", "balancer") in names
    assert not {(kind, twin) for kind, twin in names if twin in {"stateless", "stateful"}}


def test_kind_makes_two_nodes_so_that_one_can_be_drained() -> None:
    cluster = yaml.safe_load((ROOT / "k8s" / "kind.yaml").read_text())
    assert cluster["kind"] == "Cluster"
    assert [node["role"] for node in cluster["nodes"]].count("worker") >= 2
