"""The manifests by hand, as `k8s/README.md` says: one from nothing, from one to the other, and away again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import NAMESPACE
from statefall.clusters.kubernetes.objects.labels import OURS
from statefall.clusters.kubernetes.objects.target import DEFAULT_IMAGE
from statefall.content import MANIFESTS
from tests.k8s.conftest import OVERLAYS
from tests.kubernetes.conftest import IMAGE, target
from tests.kubernetes.hand import forwarded, kubectl, own, secret
from tests.kubernetes.timeline import vacant
from tests.services.backing import wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

NAME = "statefall-by-hand"


SCALES = (
    *("-n", NAME, "wait", "horizontalpodautoscaler", "--all"),
    *("--for=condition=ScalingActive", "--timeout=300s"),
)
"""An autoscaler is active once it has the CPU of the replicas that it may scale."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The overlay that the README begins with, from nothing; the tests change it to the others."""
    with vacant(target(NAME)) as api:
        kubectl("apply", "-k", own("overlays/sticky", NAME, tmp_path_factory.mktemp("sticky")))
        secret(NAME)
        settle()
        yield api


def settle() -> None:
    for line in kubectl("-n", NAME, "get", "deployment", "-o", "name").split():
        kubectl("-n", NAME, "rollout", "status", line, "--timeout=300s")


def answers_through(target: str, port: int) -> None:
    """The README's port-forward, and its curl, again until the balancer has heard of the replicas."""
    with forwarded(NAME, target, port) as address:
        wait_until(lambda: httpx.get(f"{address}/ready", timeout=10).is_success, f"{target} answers")


def visited(here: Path) -> list[int]:
    """How often each replica answered the README's visitor that any answered."""
    text = (MANIFESTS / "overlays/client-ip/visitor.yaml").read_text()
    file = here / "visitor.yaml"
    file.write_text(text.replace("namespace: statefall", f"namespace: {NAME}").replace(DEFAULT_IMAGE, IMAGE))
    kubectl("apply", "-f", str(file))
    kubectl(
        *("-n", NAME, "wait", "pod/visitor", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s")
    )
    lines = kubectl("-n", NAME, "logs", "visitor").splitlines()
    kubectl("delete", "-f", str(file))
    return [int(line.split()[1]) for line in lines]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_works_by_hand(installed: Api, tmp_path: Path, overlay: str) -> None:
    kubectl("apply", "-k", own(overlay, NAME, tmp_path))
    settle()
    if overlay == "overlays/autoscale":
        kubectl(*SCALES)
        kubectl("-n", NAME, "delete", "horizontalpodautoscaler", "--all")  # no other overlay has one
    if overlay == "overlays/client-ip":
        answers_through("service/stateless", 8000)
        answers_through("service/stateful", 8000)
        # A replica that is on its way out may answer until kube-proxy has heard of it.
        wait_until(lambda: visited(tmp_path) == [20], "one replica answers all of a visitor's requests")
    else:
        answers_through("deployment/balancer", 8001)
        answers_through("deployment/balancer", 8002)


def test_a_removal_leaves_nothing(installed: Api, tmp_path: Path) -> None:
    """The last test here. That the others lie in the same namespace as a whole, the manifests show."""
    folder = own("overlays/sticky", NAME, tmp_path)
    kubectl("delete", "-k", folder, "--ignore-not-found", "--wait=true", "--timeout=120s")
    assert installed.get(NAMESPACE, NAME) is None
    everywhere = kubectl(
        *("get", "clusterroles,clusterrolebindings,ingressclasses,persistentvolumes", "-o", "name"),
        *("-l", f"{OURS}"),
    )
    assert everywhere == ""
