"""What a run needs of a cluster, asked before anything is made, each answer in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

from kubernetes.utils.quantity import parse_quantity

from clusters.kubernetes import manifests
from clusters.kubernetes.access import Place
from clusters.kubernetes.api import OURS, PART_OF, Api
from clusters.kubernetes.kinds import NAMESPACE, NODE, QUOTA, SERVICE, Object, labels_of, name_of
from clusters.protocol import Check, ClusterError
from foundation.errors import EnvironmentUnfit, StatefallError

_SETUP_VERBS: Final = (
    ("create", "rbac.authorization.k8s.io", "roles"),
    ("create", "rbac.authorization.k8s.io", "rolebindings"),
    ("create", "", "serviceaccounts"),
    ("create", "networking.k8s.io", "networkpolicies"),
    ("create", "apps", "statefulsets"),
    ("create", "", "secrets"),
)
"""Needed to set up what is not there yet, beside what a run needs."""
_MEASURES: Final = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods")


def examine(api: Api, place: Place) -> tuple[Check, ...]:
    """Every check in turn; one that cannot be made counts as failed. Changes nothing."""
    asked = (
        ("cluster", lambda: f"Kubernetes {api.version()} at {api.host}"),
        ("kubectl", lambda: str(manifests.kubectl())),
        ("namespace", lambda: _namespace(api, place)),
        ("permissions", lambda: _permissions(api)),
        ("nodes", lambda: _nodes(api)),
        ("quota", lambda: _quota(api)),
    )
    found = []
    for name, question in asked:
        found.append(_check(name, question))
        if name == "cluster" and not found[-1].fine:
            break  # nobody answers: the rest would say the same
    return tuple(found)


def refuse_unfit(api: Api, place: Place) -> None:
    """Raises EnvironmentUnfit with all that is missing, in one line."""
    missing = [check for check in examine(api, place) if not check.fine]
    if missing:
        raise EnvironmentUnfit("; ".join(f"{check.name}: {check.words}" for check in missing))


def _check(name: str, question: Callable[[], str]) -> Check:
    try:
        return Check(name, fine=True, words=question())
    except StatefallError as error:
        return Check(name, fine=False, words=str(error))


def _namespace(api: Api, place: Place) -> str:
    standing = api.get(NAMESPACE, place.namespace)
    if standing is None:
        if not api.allowed("create", "", "namespaces", anywhere=True):
            raise ClusterError(
                f"{place.namespace} is not there and you may not create it: "
                "kubectl apply -k k8s/conductor as somebody who may"
            )
        return f"{place.namespace} will be made"
    if labels_of(standing).get(PART_OF) != "statefall":
        raise ClusterError(f"{place.namespace} is not Statefall's (no label {OURS}): set STATEFALL_NAMESPACE")
    return f"{place.namespace} is there"


def _permissions(api: Api) -> str:
    needed = manifests.verbs_needed()
    missing = [
        f"{verb} {resource}{'/' + sub if sub else ''}"
        for verb, group, resource, sub in needed
        if not api.allowed(verb, group, resource, sub)
    ]
    if not _is_set_up(api):
        missing += [
            f"{verb} {what}" for verb, group, what in _SETUP_VERBS if not api.allowed(verb, group, what)
        ]
    if missing:
        raise ClusterError(
            f"not allowed in {api.namespace}: {', '.join(missing)} (k8s/conductor/role.yaml grants it)"
        )
    return f"all {len(needed)} verbs of k8s/conductor/role.yaml are granted"


def _is_set_up(api: Api) -> bool:
    return api.get(NAMESPACE, api.namespace) is not None and api.get(SERVICE, "balancer") is not None


def _nodes(api: Api) -> str:
    if not api.allowed("list", "", "nodes", anywhere=True):
        return "may not be listed: node drains are not possible, the rest is"
    ready = [node for node in api.list(NODE).items if _is_ready(node)]
    if not ready:
        raise ClusterError("no node is ready and schedulable")
    drains = "" if len(ready) > 1 else " (a node drain needs two)"
    return f"{len(ready)} ready: {', '.join(name_of(node) for node in ready)}{drains}"


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not node["spec"].get("unschedulable")


def _quota(api: Api) -> str:
    if api.get(NAMESPACE, api.namespace) is None:
        return "none"
    quotas = api.list(QUOTA).items
    wanted = needs(manifests.render("overlays/sticky"))
    short = [words for quota in quotas for words in shortages(quota, wanted)]
    if short and not _is_set_up(api):
        raise ClusterError(f"exceeded quota: {'; '.join(short)}")
    return f"{len(quotas)} in force, enough is left" if quotas else "none"


def needs(rendered: Iterable[Object]) -> dict[str, Decimal]:
    """What the infrastructure and one twin ask for together, by the names that quotas use."""
    total = dict.fromkeys(_MEASURES, Decimal(0))
    for thing in rendered:
        pod: Object = thing.get("spec", {}).get("template", {}).get("spec", {})
        if not pod or labels_of(thing).get("app.kubernetes.io/name") == "stateless":
            continue
        pods = Decimal(thing["spec"].get("replicas", 1))
        total["pods"] += pods
        for container in pod["containers"]:
            for side, amounts in container["resources"].items():
                for what, amount in amounts.items():
                    total[f"{side}.{what}"] += pods * parse_quantity(amount)
    return total


def shortages(quota: Object, wanted: Mapping[str, Decimal]) -> list[str]:
    """Where a quota leaves less than is wanted, in words."""
    hard = quota.get("status", {}).get("hard") or quota["spec"].get("hard", {})
    used = quota.get("status", {}).get("used", {})
    found = []
    for written, limit in hard.items():
        what = f"requests.{written}" if written in {"cpu", "memory"} else written
        if what not in wanted:
            continue
        left = parse_quantity(limit) - parse_quantity(used.get(written, "0"))
        if left < wanted[what]:
            found.append(f"{name_of(quota)} leaves {left} of {written}, {wanted[what]} are needed")
    return found
