"""Pods as the API server tells of them, as short as a test can write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statefall.clusters.kubernetes.objects.kinds import Object


def pod(
    name: str = "p-1",
    *,
    container: str = "c1",
    restarts: int = 0,
    state: Object | None = None,
    last: Object | None = None,
    ready: bool = True,
    deleted: bool = False,
    labels: Mapping[str, str] | None = None,
) -> Object:
    """A running, ready pod unless told otherwise."""
    metadata: dict[str, Any] = {
        "name": name,
        "uid": f"uid-{name}",
        "labels": {"pod-template-hash": "h1", **(labels or {})},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:01:00Z"
    status = {
        "podIP": "10.0.0.1",
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": [
            {
                "containerID": container,
                "restartCount": restarts,
                "image": "statefall:0.1.0",
                "state": state or {"running": {}},
                "lastState": last or {},
            }
        ],
    }
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": "node-1"}, "status": status}


def ended(code: int, **more: Any) -> Object:
    return {"terminated": {"exitCode": code, **more}}


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason, "message": message}}
