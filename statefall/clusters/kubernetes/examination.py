"""What a run needs of a cluster, asked before anything is made, each answer in one line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.rights import SET_UP_HINT, Rights, stands
from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.demand import Size, needs, shortages
from statefall.clusters.kubernetes.objects.images import LOAD_HINT, lacking, only_local
from statefall.clusters.kubernetes.objects.kinds import (
    NAMESPACE,
    NODE,
    POD,
    QUOTA,
    SECRET,
    SERVICE,
    Object,
    kind_of,
    labels_of,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import COMPONENT, OURS, PART_OF, REPLICA
from statefall.clusters.kubernetes.objects.manifests import SECRET_NAME
from statefall.clusters.kubernetes.objects.pods import problem
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.protocol import Check, ClusterError
from statefall.records.errors import EnvironmentUnfit, StatefallError

_SETUP_VERBS: Final = (
    ("create", "rbac.authorization.k8s.io", "roles"),
    ("create", "rbac.authorization.k8s.io", "rolebindings"),
    ("create", "", "serviceaccounts"),
    ("create", "networking.k8s.io", "networkpolicies"),
    ("create", "apps", "statefulsets"),
    ("create", "", "secrets"),
)
"""Needed to set up what is not there yet, beside what a run needs."""
_OLDEST: Final = (1, 30)
"""Before it, preStop does not sleep unless a feature gate is set."""
_APPLIED_WITHIN_S: Final = 5.0
"""`kubectl apply` makes a conductor's Job before the NetworkPolicies: it may begin in between."""
_DEFAULT: Final = Size()
_NO_RIGHT: Final = "you may not patch nodes, see k8s/conductor/nodes.yaml"
_FIRST: Final = {"cluster", "permissions"}
"""Without an answer, or without the verbs, nothing else can be asked."""
_Question = tuple[str, Callable[[], str]]


def examine(api: Api, target: RunTarget, size: Size = _DEFAULT) -> tuple[Check, ...]:
    """Every check in turn; one that cannot be made counts as failed. Changes nothing."""
    return _answers((*_needed(api, target, size), ("images", lambda: _images(api, target))))


def refuse_unfit(api: Api, target: RunTarget, size: Size = _DEFAULT) -> None:
    """Raises EnvironmentUnfit with all that is missing, in one line.

    Images are left to the pods: a node tells of one that was loaded just now a minute later.
    """
    missing = [check for check in _answers(_needed(api, target, size)) if not check.fine]
    if missing:
        raise EnvironmentUnfit("; ".join(f"{check.name}: {check.message}" for check in missing))


def _needed(api: Api, target: RunTarget, size: Size) -> tuple[_Question, ...]:
    return (
        ("cluster", lambda: _version(api)),
        ("kubectl", lambda: str(manifests.kubectl())),
        ("namespace", lambda: _namespace(api, target)),
        ("permissions", lambda: _permissions(api)),
        ("objects", lambda: _objects(api)),
        ("secret", lambda: _secret(api)),
        ("nodes", lambda: _nodes(api, size)),
        ("quota", lambda: _quota(api, size)),
    )


def _answers(asked: Iterable[_Question]) -> tuple[Check, ...]:
    found = []
    for name, question in asked:
        found.append(_check(name, question))
        if name in _FIRST and not found[-1].fine:
            break  # the rest would say the same in other words
    return tuple(found)


def _check(name: str, question: Callable[[], str]) -> Check:
    try:
        return Check(name, fine=True, message=question())
    except StatefallError as error:
        return Check(name, fine=False, message=str(error))


def _version(api: Api) -> str:
    version = api.version()
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < _OLDEST:
        raise ClusterError(f"Kubernetes {version} at {api.host} is too old: 1.30 or newer is needed")
    return f"Kubernetes {version} at {api.host}"


def _namespace(api: Api, target: RunTarget) -> str:
    existing = api.get(NAMESPACE, target.namespace)
    if existing is None:
        if not api.allowed("create", "", "namespaces", anywhere=True):
            raise ClusterError(
                f"{target.namespace} is not there and you may not create it: "
                "kubectl apply -k k8s/conductor as somebody who may"
            )
        return f"{target.namespace} will be made"
    if labels_of(existing).get(PART_OF) != "statefall":
        raise ClusterError(
            f"{target.namespace} is not Statefall's (no label {OURS}): set STATEFALL_NAMESPACE"
        )
    return f"{target.namespace} is there"


def _permissions(api: Api) -> str:
    needed = manifests.verbs_needed()
    missing = [
        f"{verb} {resource}{'/' + sub if sub else ''}"
        for verb, group, resource, sub in needed
        if not api.allowed(verb, group, resource, sub)
    ]
    said = [f"{', '.join(missing)} (k8s/conductor/role.yaml grants it)"] if missing else []
    readable = not {"get namespaces", "get services"} & set(missing)
    if readable and not _is_set_up(api):
        beyond = [
            f"{verb} {what}" for verb, group, what in _SETUP_VERBS if not api.allowed(verb, group, what)
        ]
        said += [f"{', '.join(beyond)}, to set up what is missing ({SET_UP_HINT} does it)"] if beyond else []
    if said:
        raise ClusterError(f"not allowed in {api.namespace}: {'; '.join(said)}")
    return f"all {len(needed)} verbs of k8s/conductor/role.yaml are granted"


def _is_set_up(api: Api) -> bool:
    return api.get(NAMESPACE, api.namespace) is not None and api.get(SERVICE, "balancer") is not None


def _objects(api: Api) -> str:
    if not _is_set_up(api):
        return "will be made"
    missing = _missing(api)
    deadline = time.monotonic() + _APPLIED_WITHIN_S
    while missing and time.monotonic() < deadline:
        time.sleep(1.0)
        missing = _missing(api)
    if missing:
        raise ClusterError(f"{', '.join(missing)}: missing, and you may not make it: {SET_UP_HINT}")
    return "what is missing will be made"


def _missing(api: Api) -> list[str]:
    """What must stand because the caller may not make it, and does not."""
    rights = Rights(api)
    rendered = (*manifests.render("overlays/plain"), *manifests.render("load/network"))
    return [
        manifests.named(obj)
        for obj in manifests.infrastructure(rendered)
        if not rights.may("create", kind_of(obj)) and not stands(api, rights, obj)
    ]


def _secret(api: Api) -> str:
    if api.get(NAMESPACE, api.namespace) is None or Rights(api).may("create", SECRET):
        return f"{SECRET_NAME} is made where it is missing"
    missing = f"{SECRET_NAME} is missing, and you may not make it: k8s/README.md says how"
    if Rights(api).may("get", SECRET):
        if api.get(SECRET, SECRET_NAME) is None:
            raise ClusterError(missing)
        return f"{SECRET_NAME} is there"
    if any(f'secret "{SECRET_NAME}" not found' in problem(obj) for obj in api.list(POD, OURS).items):
        raise ClusterError(missing)
    return f"{SECRET_NAME} may not be read; no pod lacks it"


def _images(api: Api, target: RunTarget) -> str:
    if not api.allowed("list", "", "nodes", anywhere=True):
        return "may not be looked for on the nodes"
    images = {target.image, *manifests.images(manifests.render("overlays/plain"), target)}
    without = lacking(sorted(images), [node for node in api.list(NODE).items if _is_ready(node)])
    if target.image in without and only_local(target.image):
        raise ClusterError(
            f"{target.image} is not on {', '.join(without[target.image])}, and no registry has it: "
            f"{LOAD_HINT} "
            "(a node tells of a new image within a minute)"
        )
    if without:
        return f"{', '.join(without)} will be pulled"
    return f"{len(images)} are on every node"


def _nodes(api: Api, size: Size) -> str:
    if not api.allowed("list", "", "nodes", anywhere=True):
        return _unless_drained("may not be listed", _NO_RIGHT, size)
    ready = [node for node in api.list(NODE).items if _is_ready(node)]
    if not ready:
        raise ClusterError("no node is ready and schedulable")
    found = f"{len(ready)} ready: {', '.join(name_of(node) for node in ready)}"
    if not api.allowed("patch", "", "nodes", anywhere=True):
        return _unless_drained(found, _NO_RIGHT, size)
    return found if len(ready) > 1 else _unless_drained(found, "it needs two", size)


def _unless_drained(found: str, lacks: str, size: Size) -> str:
    """What was found, with what it means for node drains. Raises ClusterError for a run that has one."""
    if size.drains:
        raise ClusterError(f"{found}: no node can be drained ({lacks})")
    return f"{found} (no node drains: {lacks})"


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not node["spec"].get("unschedulable")


def _quota(api: Api, size: Size) -> str:
    if api.get(NAMESPACE, api.namespace) is None:
        return "none"
    quotas = api.list(QUOTA).items
    rendered = (*manifests.render("overlays/sticky"), *manifests.render("load"))
    cell = [obj for obj in rendered if labels_of(obj).get(COMPONENT) in {REPLICA, "load"}]
    wanted = needs(cell if _is_set_up(api) else rendered, size)
    short = [message for quota in quotas for message in shortages(quota, wanted)]
    if short:
        raise ClusterError(f"exceeded quota: {'; '.join(short)}")
    return f"{len(quotas)} in force, enough is left" if quotas else "none"
