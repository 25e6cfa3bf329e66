"""Why a controller makes no pod: its conditions or events say, and no pod that could be watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import (
    DEPLOYMENT,
    EVENT,
    JOB,
    STATEFUL_SET,
    Object,
    ObjectKind,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import OURS
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.kubernetes.run.context import RunContext
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import EnvironmentUnfit

_LOOK_EVERY_S: Final = 2.0
_LOOKS: Final = 3
"""So often a refusal must be seen in a row: a quota is free again only a moment after a pod has gone."""
_SPEAK_IN_EVENTS: Final = (JOB, STATEFUL_SET)


def wait_for_pods(
    context: RunContext, label: str, value: str, question: Callable[[NamespaceView], bool], timeout_s: float
) -> bool:
    """Wait until the question about what carries the label holds; False when it did not in time.

    Raises EnvironmentUnfit when a quota forbids it a pod, ClusterError when something else does.
    """
    deadline = time.monotonic() + timeout_s
    seen = 0
    while not context.informer.wait_for(question, min(_LOOK_EVERY_S, max(deadline - time.monotonic(), 0.0))):
        refused = _refused(context, label, value)
        seen = seen + 1 if refused else 0
        if seen >= _LOOKS:
            raise _as_error(*refused[0])
        if time.monotonic() >= deadline:
            return False
    return True


def _refused(context: RunContext, label: str, value: str) -> list[tuple[str, str]]:
    """(controller, why it may not make its pods) of those that lack pods now."""
    labels = f"{OURS},{label}={value}"
    found = [
        (f"Deployment {name_of(obj)}", str(condition.get("message", "")))
        for obj in context.api.list(DEPLOYMENT, labels).items
        for condition in obj.get("status", {}).get("conditions", [])
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True"
    ]
    without = [
        (kind, obj)
        for kind in _SPEAK_IN_EVENTS
        for obj in context.api.list(kind, labels).items
        if not _has_pods(context.find(label, value), obj)
    ]
    return found + (_from_events(context.api, without) if without else [])


def _has_pods(pods: Iterable[Object], controller: Object) -> bool:
    uid = controller["metadata"]["uid"]
    return any(owner["uid"] == uid for pod in pods for owner in pod["metadata"].get("ownerReferences", []))


def _from_events(api: Api, controllers: list[tuple[ObjectKind, Object]]) -> list[tuple[str, str]]:
    """The last refusal of each; a controller that was deleted and made anew has another UID."""
    names = {
        str(obj["metadata"]["uid"]): f"{kind.name} {name_of(obj)}"
        for kind, obj in controllers
        if "deletionTimestamp" not in obj["metadata"]
    }
    last = {
        str(event["involvedObject"].get("uid")): str(event.get("message", ""))
        for event in sorted(api.list(EVENT).items, key=lambda event: str(event.get("lastTimestamp")))
        if event.get("reason") == "FailedCreate"
    }
    return [(name, last[uid]) for uid, name in names.items() if uid in last]


def _as_error(controller: str, message: str) -> EnvironmentUnfit | ClusterError:
    line = message.strip().splitlines()[0] if message.strip() else "no reason given"
    if "quota" in line:
        return EnvironmentUnfit(
            f"{controller}: {line}", hint="raise the quota, or use a namespace without one"
        )
    return ClusterError(f"{controller}: {line}")
