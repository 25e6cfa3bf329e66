"""The manifests by hand, as `k8s/README.md` says: each overlay on top of the last, and nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.kubernetes.api import OURS, Api
from clusters.kubernetes.kinds import NAMESPACE, POD
from clusters.kubernetes.pods import PORT, pod_of
from clusters.kubernetes.tunnel import fetch
from tests.k8s.conftest import OVERLAYS
from tests.kubernetes.conftest import place
from tests.kubernetes.hand import kubectl, own, secret
from tests.kubernetes.timeline import vacant

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

NAME = "statefall-by-hand"


@pytest.fixture
def by_hand() -> Iterator[Api]:
    with vacant(place(NAME)) as api:
        yield api


def settle(api: Api) -> None:
    for line in kubectl("-n", NAME, "get", "deployment", "-o", "name").split():
        kubectl("-n", NAME, "rollout", "status", line, "--timeout=300s")
    for twin in ("stateless", "stateful"):
        pods = [pod_of(thing) for thing in api.list(POD, f"{OURS},app.kubernetes.io/name={twin}").items]
        ready = next(pod for pod in pods if pod.ready)
        assert fetch(api, ready.name, PORT, "/ready")


def test_every_overlay_works_by_hand_and_its_removal_leaves_nothing(by_hand: Api, tmp_path: Path) -> None:
    *others, last = OVERLAYS
    kubectl("apply", "-k", own(others[0], NAME, tmp_path))
    secret(NAME)
    settle(by_hand)
    for overlay in (*others[1:], last):
        kubectl("apply", "-k", own(overlay, NAME, tmp_path))
        settle(by_hand)
    kubectl("delete", "-k", own(last, NAME, tmp_path), "--ignore-not-found", "--wait=true", "--timeout=120s")
    assert by_hand.get(NAMESPACE, NAME) is None
    everywhere = kubectl(
        *("get", "clusterroles,clusterrolebindings,ingressclasses,persistentvolumes", "-o", "name"),
        *("-l", f"{OURS}"),
    )
    assert everywhere == ""
