"""The Helm chart renders the objects that the kustomizations do."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from statefall.clusters.kubernetes.objects.kinds import Object
from tests.k8s.conftest import K8S, OVERLAYS
from tests.k8s.test_components import combined

pytestmark = pytest.mark.shipped

CHART = K8S / "chart"
HELM = "helm.sh/helm/v3/cmd/helm@v3.19.0"
VALUES = {
    "overlays/plain": ("balancer=plain",),
    "overlays/sticky": (),
    "overlays/client-ip": ("balancer=client-ip",),
    "overlays/autoscale": ("autoscale=true",),
    **{
        f"overlays/{state}": (f"state={state}",)
        for state in ("handoff", "write-through", "external", "replicated")
    },
}
"""Overlay -> what makes the chart the same."""


@pytest.fixture(scope="module")
def helm() -> str:
    """Helm's command: the one on PATH, else built from its source, once for this environment."""
    found = shutil.which("helm")
    if found:
        return found
    go = shutil.which("go")
    if go is None:
        pytest.skip("the chart is rendered by helm, which is not on PATH, nor is go to build it")
    home = Path(sys.prefix) / "helm"
    if not (home / "helm").exists():
        subprocess.run([go, "install", HELM], env={**os.environ, "GOBIN": str(home)}, check=True)
    return str(home / "helm")


def chart(helm: str, *values: str) -> list[Object]:
    """What the chart renders as the release `statefall`."""
    command = [
        helm,
        "template",
        "statefall",
        str(CHART),
        "--namespace",
        "statefall",
        "--kube-version",
        "1.34",
    ]
    done = subprocess.run(
        [*command, *(word for value in values for word in ("--set", value))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def comparable(objects: Any) -> dict[tuple[str, str], Any]:
    """By kind and name, without what says who applied it, and without an order that means nothing."""
    found = {}
    for each in copy.deepcopy(list(objects)):
        if each["kind"] == "Namespace":
            continue  # a release is made in one that is there
        template = each.get("spec", {}).get("template", {})
        each["metadata"]["labels"].pop("app.kubernetes.io/managed-by")
        for container in template.get("spec", {}).get("containers", ()):
            for named in ("env", "ports"):
                container.get(named, []).sort(key=lambda entry: entry["name"])
        found[each["kind"], each["metadata"]["name"]] = each
    return found


def test_no_overlay_is_forgotten() -> None:
    assert sorted(VALUES) == OVERLAYS


@pytest.mark.parametrize("overlay", VALUES)
def test_it_renders_what_the_overlay_does(
    helm: str, overlay: str, rendered: dict[str, tuple[Object, ...]]
) -> None:
    assert comparable(chart(helm, *VALUES[overlay])) == comparable(rendered[overlay])


@pytest.mark.parametrize(
    ("values", "components"),
    [
        (["statefulSet=true"], ["sticky", "stateful-set"]),
        (["ingressClass=true"], ["sticky", "ingress-class"]),
        (["autoscale=true", "state=external"], ["sticky", "external", "autoscale"]),
    ],
)
def test_it_renders_what_components_make_together(
    helm: str, values: list[str], components: list[str], tmp_path: Path
) -> None:
    assert comparable(chart(helm, *values)) == comparable(combined(tmp_path, components))


def test_a_password_is_known_before_what_names_it(helm: str) -> None:
    for each in chart(helm):
        for container in each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            known: set[str] = set()
            for entry in container.get("env", ()):
                named = str(entry.get("value", "")).partition("$(")[2].partition(")")[0]
                assert named in {"", *known}
                known.add(entry["name"])


def test_images_are_named_by_digest(helm: str) -> None:
    digest = f"sha256:{'a' * 64}"
    objects = chart(
        helm, f"image=shop@{digest}", f"images.traefik=traefik@{digest}", f"images.valkey=v@{digest}"
    )
    images = {
        container["image"]
        for each in objects
        for container in each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())
    }
    assert images == {f"shop@{digest}", f"traefik@{digest}", f"v@{digest}", "postgres:18.6"}


@pytest.mark.parametrize(
    ("values", "said"),
    [("balancer=round", "/balancer"), ("statefulSet=true,autoscale=true", "do not go together")],
)
def test_values_that_make_no_sense_are_refused(helm: str, values: str, said: str) -> None:
    done = subprocess.run(
        [helm, "template", "statefall", str(CHART), "--kube-version", "1.34", "--set", values],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert said in done.stderr
