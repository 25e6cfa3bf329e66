"""Which rights the faults of a file need at a workload that stands already, and the Role that grants them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

import yaml

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.attached.workload import KINDS
from statefall.clusters.kubernetes.objects.given import GivenManifest
from statefall.clusters.kubernetes.objects.kinds import (
    AUTOSCALER,
    ENDPOINT_SLICE,
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    ROLE,
    ROLE_BINDING,
    STATEFUL_SET,
    Object,
    ObjectKind,
)
from statefall.clusters.kubernetes.ownership.lease import NAME as LEASE_NAME
from statefall.records.faults import FaultKind, Verb
from statefall.records.service import AttachedWorkload

ACCOUNT: Final = "statefall"
"""What the Role is called."""


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a kind of object, on one of them where it is named."""

    verb: str
    kind: ObjectKind
    sub: str = ""
    name: str = ""

    def __str__(self) -> str:
        sub, name = f"/{self.sub}" if self.sub else "", f" {self.name}" if self.name else ""
        return f"{self.verb} {self.kind.plural}{sub}{name}"

    @property
    def everywhere(self) -> bool:
        """Whether it reaches beyond the namespace."""
        return self.kind is NODE


def to_find(attached: AttachedWorkload) -> tuple[Right, ...]:
    """To see which workload is meant."""
    kind = KINDS.get(attached.workload)
    own = [Right("get", kind, name=attached.name)] if kind is not None else []
    sets = [] if kind is STATEFUL_SET else [Right("get", REPLICA_SET)]
    return (
        Right("get", NAMESPACE, name=attached.namespace),
        *own,
        *sets,
        *(Right(verb, POD) for verb in ("get", "list", "watch")),
    )


def to_run(
    attached: AttachedWorkload, kind: ObjectKind, name: str, faults: Collection[FaultKind], *, metrics: bool
) -> tuple[Right, ...]:
    """For everything that a run with these faults does to this workload, putting back included."""
    verbs = {fault.traits.verb for fault in faults}
    found = [*to_find(attached), Right("get", kind, name=name)]
    found += [Right(verb, ENDPOINT_SLICE) for verb in ("list", "watch")]
    found += [Right("create", LEASE), *(Right(v, LEASE, name=LEASE_NAME) for v in ("get", "patch", "delete"))]
    for verb, needed in _OF_A_VERB.items():
        found += needed if verb in verbs else ()
    if verbs & {Verb.SCALE, Verb.SCALE_TO_ZERO}:
        found += [Right("patch", kind, "scale", name), Right("list", AUTOSCALER)]
    if Verb.ROLL in verbs:
        found += [Right("patch", kind, name=name)]
    if metrics:
        found += [Right(verb, POD, "portforward") for verb in ("get", "create")]
    return tuple(dict.fromkeys(found))


def to_make(given: Iterable[GivenManifest]) -> tuple[Right, ...]:
    """To make the user's manifests and to remove them; a right to create cannot be held to a name."""
    found = [
        right
        for each in given
        for right in (
            Right("create", each.kind),
            *(Right(verb, each.kind, name=each.name) for verb in ("get", "delete")),
        )
    ]
    return tuple(dict.fromkeys(found))


# A websocket is opened with GET, which servers before 1.35 check as get and later ones as create.
_EXEC: Final = (Right("get", POD, "exec"), Right("create", POD, "exec"))
_EVICT: Final = Right("create", POD, "eviction")
_OF_A_VERB: Final = {
    Verb.KILL: _EXEC,
    Verb.PAUSE: _EXEC,
    Verb.DELETE: (Right("delete", POD),),
    Verb.EVICT: (_EVICT,),
    Verb.DRAIN: (_EVICT, *(Right(verb, NODE) for verb in ("get", "list", "patch"))),
}


def lacking(api: Api, rights: Iterable[Right]) -> list[Right]:
    """Those that the caller has not."""
    return [
        right
        for right in rights
        if not api.allowed(
            right.verb,
            right.kind.group,
            right.kind.plural,
            right.sub,
            name=right.name,
            anywhere=right.everywhere,
        )
    ]


def role(attached: AttachedWorkload, rights: Iterable[Right]) -> str:
    """The Role, with a ServiceAccount that has it, as YAML; a ClusterRole too where nodes are drained."""
    inside = _rules([right for right in rights if not right.everywhere])
    beyond = _rules([right for right in rights if right.everywhere])
    metadata = {"name": ACCOUNT, "namespace": attached.namespace}
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": attached.namespace}
    version = ROLE.api_version

    def bound(kind: str, to: str, named: Object) -> Object:
        reference = {"apiGroup": ROLE.group, "kind": to, "name": named["name"]}
        subjects = [account]
        return {
            "kind": kind,
            "apiVersion": version,
            "metadata": named,
            "roleRef": reference,
            "subjects": subjects,
        }

    objects: list[Object] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": version, "kind": ROLE.name, "metadata": metadata, "rules": inside},
        bound(ROLE_BINDING.name, ROLE.name, metadata),
    ]
    if beyond:
        named = {"name": f"{ACCOUNT}-nodes-{attached.namespace}"}
        objects.append({"apiVersion": version, "kind": "ClusterRole", "metadata": named, "rules": beyond})
        objects.append(bound("ClusterRoleBinding", "ClusterRole", named))
    return "---\n".join(_yaml(obj) for obj in objects)


def _rules(rights: Iterable[Right]) -> list[Object]:
    """One rule for each resource and name."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for right in rights:
        resource = f"{right.kind.plural}/{right.sub}" if right.sub else right.kind.plural
        verbs.setdefault((right.kind.group, resource, right.name), []).append(right.verb)
    return [
        {
            "apiGroups": [group],
            "resources": [resource],
            **({"resourceNames": [name]} if name else {}),
            "verbs": list(dict.fromkeys(said)),
        }
        for (group, resource, name), said in verbs.items()
    ]


class _Plain(yaml.SafeDumper):
    """Without anchors: the same part may stand twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _yaml(obj: Object) -> str:
    return yaml.dump(obj, Dumper=_Plain, sort_keys=False, default_flow_style=None, width=100)
