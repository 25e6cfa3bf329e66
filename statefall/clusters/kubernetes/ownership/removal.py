"""Takes away what a run made, at its end or after it was killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    JOB,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Object,
    ObjectKind,
    labels_of,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import OURS, RUN_LABEL
from statefall.clusters.kubernetes.objects.manifests import SECRET_NAME, containers
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import StatefallError

GONE_TIMEOUT_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.3
IN_A_CELL: Final = (JOB, DEPLOYMENT, INGRESS, SERVICE, DISRUPTION_BUDGET, CONFIG_MAP)
_IN_THE_INFRASTRUCTURE: Final = (STATEFUL_SET, NETWORK_POLICY, ROLE_BINDING, ROLE, SERVICE_ACCOUNT, SECRET)
"""Made by those who may; a conductor with the Role of k8s/conductor makes none of them."""
_WORKLOADS: Final = (DEPLOYMENT, STATEFUL_SET, JOB)
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def every(steps: Iterable[Callable[[], object]]) -> None:
    """Take every step, whatever became of those before. Raises ClusterError with all that failed."""
    failed: list[StatefallError] = []
    for step in steps:
        try:
            step()
        except StatefallError as error:
            failed.append(error)
    if failed:
        raise ClusterError("; ".join(dict.fromkeys(map(str, failed)))) from failed[0]


def remove_all(api: Api, run: str) -> list[str]:
    """Delete all that the run made, the namespace too if it is the run's; what was removed, in words.

    What somebody has since applied by hand is theirs: it stays, with the namespace and the secret that it
    needs, and loses the run's label. Raises ClusterError with all that could not be removed.
    """
    namespace = api.get(NAMESPACE, api.namespace)
    if namespace is None:
        return []
    of_others = _of_others(api, run)
    owned = labels_of(namespace).get(RUN_LABEL) == run
    if owned and not of_others and not _applied(namespace):
        # First the namespace: from then on no controller makes a new pod in it.
        if "deletionTimestamp" not in namespace["metadata"]:
            api.delete(NAMESPACE, api.namespace, uid=str(namespace["metadata"]["uid"]))
        _end_pods(api, OURS)
        _await_end(api)
        return [f"namespace {api.namespace} with all that was in it"]
    label = f"{OURS},{RUN_LABEL}={run}"
    removed: list[str] = []

    def remove(kind: ObjectKind) -> None:
        if kind not in IN_A_CELL and not api.allowed("delete", kind.group, kind.plural):
            return
        for obj in api.list(kind, label).items:
            if _applied(obj) or (kind is SECRET and any(map(_needs_the_secret, of_others))):
                _disown(api, kind, obj)
            else:
                removed.extend(_remove(api, kind, obj))

    spared = [labels for obj in of_others if (labels := obj["spec"]["selector"].get("matchLabels"))]
    steps = [partial(remove, kind) for kind in (*IN_A_CELL, *_IN_THE_INFRASTRUCTURE)]
    every([*steps, partial(_end_pods, api, label, spared)])
    if owned:
        _disown(api, NAMESPACE, namespace)
    return removed


def _of_others(api: Api, run: str) -> list[Object]:
    """What makes pods here and is not the run's, or not its alone."""
    kinds = [kind for kind in _WORKLOADS if kind in IN_A_CELL or api.allowed("list", kind.group, kind.plural)]
    found = [obj for kind in kinds for obj in api.list(kind).items]
    return [obj for obj in found if labels_of(obj).get(RUN_LABEL) != run or _applied(obj)]


def _applied(obj: Object) -> bool:
    """Whether a person, or a tool of theirs, applied it: a run creates and never does."""
    metadata = obj["metadata"]
    managers = metadata.get("managedFields") or []
    return _LAST_APPLIED in (metadata.get("annotations") or {}) or any(
        entry.get("operation") == "Apply" for entry in managers
    )


def _needs_the_secret(obj: Object) -> bool:
    return any(
        entry.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == SECRET_NAME
        for container in containers(obj)
        for entry in container.get("env", [])
    )


def _disown(api: Api, kind: ObjectKind, obj: Object) -> None:
    if RUN_LABEL in labels_of(obj):
        api.patch(kind, name_of(obj), {"metadata": {"labels": {RUN_LABEL: None}}})


def remove_labelled(api: Api, labels: str) -> list[str]:
    """Delete what belongs to a cell or a load generator and carries these labels; in words."""
    return [
        message
        for kind in IN_A_CELL
        for obj in api.list(kind, labels).items
        for message in _remove(api, kind, obj)
    ]


def _remove(api: Api, kind: ObjectKind, obj: Object) -> list[str]:
    gone = api.delete(kind, name_of(obj), uid=str(obj["metadata"]["uid"]))
    return [f"{kind.name} {name_of(obj)}"] if gone else []


def _end_pods(api: Api, labels: str, spared: Iterable[dict[str, str]] = ()) -> None:
    """All that carry these labels, but those that any of the `spared` selectors selects."""
    for obj in api.list(POD, labels).items:
        if not any(selector.items() <= labels_of(obj).items() for selector in spared):
            api.delete(POD, name_of(obj), uid=str(obj["metadata"]["uid"]), grace_s=1)


def _await_end(api: Api) -> None:
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while api.get(NAMESPACE, api.namespace) is not None:
        if time.monotonic() > deadline:
            raise ClusterError(f"namespace {api.namespace} is not gone after {GONE_TIMEOUT_S:.0f} s")
        time.sleep(_LOOK_EVERY_S)
