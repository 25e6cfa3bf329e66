"""The manifests by hand, as `k8s/README.md` says: each overlay works, and its removal leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clusters.kubernetes import manifests
from clusters.kubernetes.access import DEFAULT_IMAGE
from clusters.kubernetes.api import OURS, Api
from clusters.kubernetes.kinds import NAMESPACE
from tests.k8s.conftest import OVERLAYS
from tests.kubernetes.conftest import IMAGE, place
from tests.kubernetes.hand import forwarded, kubectl, own, secret
from tests.kubernetes.timeline import vacant
from tests.services.backing import wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

NAME = "statefall-by-hand"
APPLIED_BEFORE = {"overlays/external": "overlays/sticky"}
"""One that goes on top of another, as when somebody changes their mind."""


SCALES = (
    *("-n", NAME, "wait", "horizontalpodautoscaler", "--all"),
    *("--for=condition=ScalingActive", "--timeout=300s"),
)
"""An autoscaler is active once it has the CPU of the replicas that it may scale."""


@pytest.fixture
def by_hand() -> Iterator[Api]:
    with vacant(place(NAME)) as api:
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
    text = (manifests.MANIFESTS / "overlays/client-ip/visitor.yaml").read_text()
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
def test_an_overlay_works_by_hand_and_its_removal_leaves_nothing(
    by_hand: Api, tmp_path: Path, overlay: str
) -> None:
    first = APPLIED_BEFORE.get(overlay, overlay)
    kubectl("apply", "-k", own(first, NAME, tmp_path))
    secret(NAME)
    settle()
    if first != overlay:
        kubectl("apply", "-k", own(overlay, NAME, tmp_path))
        settle()
    if overlay == "overlays/autoscale":
        kubectl(*SCALES)
    if overlay == "overlays/client-ip":
        answers_through("service/stateless", 8000)
        answers_through("service/stateful", 8000)
        assert visited(tmp_path) == [20]
    else:
        answers_through("deployment/balancer", 8001)
        answers_through("deployment/balancer", 8002)
    kubectl(
        "delete", "-k", own(overlay, NAME, tmp_path), "--ignore-not-found", "--wait=true", "--timeout=120s"
    )
    assert by_hand.get(NAMESPACE, NAME) is None
    everywhere = kubectl(
        *("get", "clusterroles,clusterrolebindings,ingressclasses,persistentvolumes", "-o", "name"),
        *("-l", f"{OURS}"),
    )
    assert everywhere == ""
