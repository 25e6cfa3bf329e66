"""The manifests by hand, as `k8s/README.md` says: each overlay works, and its removal leaves nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from clusters.kubernetes.api import OURS
from clusters.kubernetes.kinds import NAMESPACE
from tests.k8s.conftest import OVERLAYS
from tests.kubernetes.conftest import place
from tests.kubernetes.hand import forwarded, kubectl, own, secret
from tests.kubernetes.timeline import vacant
from tests.services.backing import wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]

APPLIED_BEFORE = {"overlays/external": "overlays/sticky"}
"""One that goes on top of another, as when somebody changes their mind."""
AT_ONCE = 3
"""They mostly wait, each in a namespace of its own."""


def settle(namespace: str) -> None:
    for line in kubectl("-n", namespace, "get", "deployment", "-o", "name").split():
        kubectl("-n", namespace, "rollout", "status", line, "--timeout=300s")


def answers_through(namespace: str, target: str, port: int) -> None:
    """The README's port-forward, and its curl, again until the balancer has heard of the replicas."""
    with forwarded(namespace, target, port) as address:
        wait_until(lambda: httpx.get(f"{address}/ready", timeout=10).is_success, f"{target} answers")


def try_by_hand(overlay: str, here: Path) -> None:
    """From the first `apply` to the `delete`, in a namespace of the overlay's own."""
    namespace = f"statefall-by-hand-{overlay.rpartition('/')[2]}"
    first = APPLIED_BEFORE.get(overlay, overlay)
    with vacant(place(namespace)) as api:
        kubectl("apply", "-k", own(first, namespace, here))
        secret(namespace)
        settle(namespace)
        if first != overlay:
            kubectl("apply", "-k", own(overlay, namespace, here))
            settle(namespace)
        if overlay == "overlays/client-ip":
            answers_through(namespace, "service/stateless", 8000)
            answers_through(namespace, "service/stateful", 8000)
        else:
            answers_through(namespace, "deployment/balancer", 8001)
            answers_through(namespace, "deployment/balancer", 8002)
        removal = ("--ignore-not-found", "--wait=true", "--timeout=180s")
        kubectl("delete", "-k", own(overlay, namespace, here), *removal)
        assert api.get(NAMESPACE, namespace) is None, overlay


def test_every_overlay_works_by_hand_and_its_removal_leaves_nothing(tmp_path: Path) -> None:
    folders = {overlay: tmp_path / str(number) for number, overlay in enumerate(OVERLAYS)}
    for folder in folders.values():
        folder.mkdir()
    with ThreadPoolExecutor(AT_ONCE) as together:
        for done in [together.submit(try_by_hand, overlay, here) for overlay, here in folders.items()]:
            done.result()
    everywhere = kubectl(
        *("get", "clusterroles,clusterrolebindings,ingressclasses,persistentvolumes", "-o", "name"),
        *("-l", f"{OURS}"),
    )
    assert everywhere == ""
