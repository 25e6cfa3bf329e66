"""Takes away what a run made, at its end or after it was killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from clusters.kubernetes.api import OURS, Api
from clusters.kubernetes.kinds import (
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
    Kind,
    labels_of,
    name_of,
)
from clusters.kubernetes.manifests import RUN_LABEL
from clusters.protocol import ClusterError
from foundation.errors import Interrupted, StatefallError

GONE_TIMEOUT_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.3
_IN_A_CELL: Final = (JOB, DEPLOYMENT, INGRESS, SERVICE, DISRUPTION_BUDGET, CONFIG_MAP)
_IN_THE_INFRASTRUCTURE: Final = (STATEFUL_SET, NETWORK_POLICY, ROLE_BINDING, ROLE, SERVICE_ACCOUNT, SECRET)
"""Made by those who may; a conductor with the Role of k8s/conductor makes none of them."""


def every(steps: Iterable[Callable[[], object]]) -> None:
    """Take every step, whatever became of those before. Raises ClusterError with all that failed."""
    failed: list[StatefallError] = []
    for step in steps:
        try:
            step()
        except Interrupted:
            raise
        except StatefallError as error:
            failed.append(error)
    if failed:
        raise ClusterError("; ".join(dict.fromkeys(map(str, failed)))) from failed[0]


def remove_all(api: Api, run: str) -> list[str]:
    """Delete all that the run made, the namespace too if it is the run's; what was removed, in words.

    Raises ClusterError with all that could not be removed.
    """
    namespace = api.get(NAMESPACE, api.namespace)
    if namespace is None:
        return []
    if labels_of(namespace).get(RUN_LABEL) == run:
        # First the namespace: from then on no controller makes a new pod in it.
        if "deletionTimestamp" not in namespace["metadata"]:
            api.delete(NAMESPACE, api.namespace)
        _end_pods(api, OURS)
        _await_end(api)
        return [f"namespace {api.namespace} with all that was in it"]
    label = f"{OURS},{RUN_LABEL}={run}"
    removed: list[str] = []

    def remove(kind: Kind) -> None:
        if kind in _IN_A_CELL or api.allowed("delete", kind.group, kind.plural):
            removed.extend(_remove(api, kind, label))

    kinds = (*_IN_A_CELL, *_IN_THE_INFRASTRUCTURE)
    every([*(partial(remove, kind) for kind in kinds), partial(_end_pods, api, label)])
    return removed


def remove_labelled(api: Api, labels: str) -> list[str]:
    """Delete what belongs to a cell or a load generator and carries these labels; in words."""
    return [words for kind in _IN_A_CELL for words in _remove(api, kind, labels)]


def _remove(api: Api, kind: Kind, labels: str) -> list[str]:
    return [
        f"{kind.name} {name_of(thing)}"
        for thing in api.list(kind, labels).items
        if api.delete(kind, name_of(thing), uid=str(thing["metadata"]["uid"]))
    ]


def _end_pods(api: Api, labels: str) -> None:
    for thing in api.list(POD, labels).items:
        api.delete(POD, name_of(thing), uid=str(thing["metadata"]["uid"]), grace_s=1)


def _await_end(api: Api) -> None:
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while api.get(NAMESPACE, api.namespace) is not None:
        if time.monotonic() > deadline:
            raise ClusterError(f"namespace {api.namespace} is not gone after {GONE_TIMEOUT_S:.0f} s")
        time.sleep(_LOOK_EVERY_S)
