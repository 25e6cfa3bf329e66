"""Every manifest is part of a kustomization or applied by itself as documented, and Kubernetes takes it.

(tests/k8s renders, checks and lints each kustomization, and tests/kubernetes runs with them.)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from statefall.clusters.kubernetes.objects.labels import PART_OF
from statefall.clusters.kubernetes.objects.target import DEFAULT_IMAGE
from tests.k8s.conftest import FOLDERS, K8S, KUSTOMIZATIONS
from tests.kubernetes.conftest import IMAGE, target
from tests.kubernetes.hand import kubectl, own
from tests.kubernetes.timeline import vacant
from tests.shipped.documented import commands

NAME = "statefall-manifests"


def listed(folder: Path) -> set[Path]:
    """The files that a kustomization names, wherever in it."""

    def strings(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [found for part in value.values() for found in strings(part)]
        if isinstance(value, list):
            return [found for part in value for found in strings(part)]
        return [value] if isinstance(value, str) else []

    names = strings(yaml.safe_load((folder / "kustomization.yaml").read_text()))
    return {folder / name for name in names if name.endswith(".yaml")}


def manifests() -> set[Path]:
    """Files with objects for an API server: no settings of other programs."""
    found = set()
    for file in set(K8S.rglob("*.yaml")) - set((K8S / "chart").rglob("*.yaml")):  # templates, and values
        documents = yaml.safe_load_all(file.read_text())
        versions = [str(document["apiVersion"]) for document in documents if "kind" in (document or {})]
        if any(
            not version.startswith(("kind.x-k8s.io/", "kustomize.config.k8s.io/")) for version in versions
        ):
            found.add(file)
    return found


BY_THEMSELVES = sorted(
    file.relative_to(K8S)
    for file in manifests().difference(*(listed(K8S / folder) for folder in KUSTOMIZATIONS))
)


def test_there_are_manifests() -> None:
    assert len(manifests()) > len(BY_THEMSELVES) > 0


@pytest.mark.parametrize("file", BY_THEMSELVES, ids=str)
def test_a_manifest_of_no_kustomization_is_applied_by_a_documented_command(file: Path) -> None:
    assert f"kubectl apply -f k8s/{file}" in commands()


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """One that stands while the API server is asked."""
    with vacant(target(NAME)):
        kubectl("create", "namespace", NAME)
        kubectl("label", "namespace", NAME, f"{PART_OF}=statefall")
        yield NAME


@pytest.mark.kubernetes
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_api_server_takes_a_kustomization(folder: str, namespace: str, tmp_path: Path) -> None:
    said = kubectl("apply", "--dry-run=server", "-k", own(folder, namespace, tmp_path))
    assert "(server dry run)" in said


@pytest.mark.kubernetes
@pytest.mark.parametrize("file", BY_THEMSELVES, ids=str)
def test_the_api_server_takes_a_manifest(file: Path, namespace: str, tmp_path: Path) -> None:
    text = (K8S / file).read_text().replace("namespace: statefall", f"namespace: {namespace}")
    (tmp_path / "ours.yaml").write_text(text.replace(DEFAULT_IMAGE, IMAGE))
    said = kubectl("apply", "--dry-run=server", "-f", str(tmp_path / "ours.yaml"))
    assert "(server dry run)" in said
