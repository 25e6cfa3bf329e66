"""The manifests by hand, as `k8s/README.md` says: each overlay on top of the last, and nothing left."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.kubernetes import manifests
from clusters.kubernetes.access import configuration
from clusters.kubernetes.api import OURS, Api
from clusters.kubernetes.kinds import NAMESPACE, POD
from clusters.kubernetes.pods import PORT, pod_of
from clusters.kubernetes.tunnel import fetch
from tests.k8s.conftest import OVERLAYS
from tests.kubernetes.conftest import IMAGE, place
from tests.kubernetes.timeline import removed

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

NAME = "statefall-by-hand"
README = (manifests.MANIFESTS / "README.md").read_text()


def kubectl(*arguments: str) -> str:
    command = [str(manifests.kubectl()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400.0)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def own(folder: str, here: Path) -> str:
    """A kustomization as the README's own: a folder of `k8s/`, with the tests' image and namespace."""
    home = here / folder.replace("/", "-")
    home.mkdir(exist_ok=True)
    image, _, tag = IMAGE.rpartition(":")
    source = Path("../" * (len(home.resolve().parts) - 1)) / str(manifests.MANIFESTS / folder).lstrip("/")
    made: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAME,
        "resources": [str(source)],
        "images": [{"name": "statefall", "newName": image, "newTag": tag}],
    }
    (home / "kustomization.yaml").write_text(json.dumps(made))
    return str(home)


def secret() -> None:
    """The README's own command, its values from here."""
    literals = re.findall(r"--from-literal=([a-z-]+)=", README)
    assert len(literals) == 4
    values = [f"--from-literal={key}={secrets.token_hex(32)}" for key in literals]
    kubectl("-n", NAME, "create", "secret", "generic", "statefall", *values)


@pytest.fixture
def by_hand() -> Iterator[Api]:
    api = Api(configuration(place(NAME)), NAME)
    removed(api)
    yield api
    removed(api)
    api.close()


def settle(api: Api) -> None:
    for line in kubectl("-n", NAME, "get", "deployment", "-o", "name").split():
        kubectl("-n", NAME, "rollout", "status", line, "--timeout=300s")
    for twin in ("stateless", "stateful"):
        pods = [pod_of(thing) for thing in api.list(POD, f"{OURS},app.kubernetes.io/name={twin}").items]
        ready = next(pod for pod in pods if pod.ready)
        assert fetch(api, ready.name, PORT, "/ready")


def test_every_overlay_works_by_hand_and_its_removal_leaves_nothing(by_hand: Api, tmp_path: Path) -> None:
    *others, last = OVERLAYS
    kubectl("apply", "-k", own(others[0], tmp_path))
    secret()
    settle(by_hand)
    for overlay in (*others[1:], last):
        kubectl("apply", "-k", own(overlay, tmp_path))
        settle(by_hand)
    kubectl("delete", "-k", own(last, tmp_path), "--wait=true", "--timeout=120s")
    assert by_hand.get(NAMESPACE, NAME) is None
    everywhere = kubectl(
        *("get", "clusterroles,clusterrolebindings,ingressclasses,persistentvolumes", "-o", "name"),
        *("-l", f"{OURS}"),
    )
    assert everywhere == ""
