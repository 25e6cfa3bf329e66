"""Which Deployment or StatefulSet a service file names, and which pods are its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api, Refused
from statefall.clusters.kubernetes.objects.kinds import (
    DEPLOYMENT,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    Object,
    ObjectKind,
    name_of,
)
from statefall.records.errors import InputError
from statefall.records.service import AttachedWorkload, Workload

KINDS: Final = {Workload.DEPLOYMENT: DEPLOYMENT, Workload.STATEFUL_SET: STATEFUL_SET}
_OWNERS: Final = {kind.name: kind for kind in (DEPLOYMENT, STATEFUL_SET)}
_BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True)
class FoundWorkload:
    """A workload as it was found."""

    kind: ObjectKind
    obj: Object = field(repr=False)

    @property
    def name(self) -> str:
        """Of the object."""
        return name_of(self.obj)

    @property
    def uid(self) -> str:
        """Of the object: another of the same name has another."""
        return str(self.obj["metadata"]["uid"])

    @property
    def title(self) -> str:
        """`Deployment shop`."""
        return f"{self.kind.name} {self.name}"

    @property
    def replicas(self) -> int:
        """How many it is told to have."""
        return int(self.obj["spec"].get("replicas", 1))

    @property
    def template(self) -> Object:
        """Of its pods."""
        found: Object = self.obj["spec"]["template"]
        return found

    @property
    def containers(self) -> tuple[str, ...]:
        """Names of the containers of each pod."""
        return tuple(str(container["name"]) for container in self.template["spec"]["containers"])

    @property
    def selector(self) -> str:
        """Its own selector of pods, as the API takes it."""
        given = self.obj["spec"]["selector"]
        labels = [f"{key}={value}" for key, value in (given.get("matchLabels") or {}).items()]
        return ",".join([*labels, *map(_expression, given.get("matchExpressions") or [])])

    @property
    def settled(self) -> bool:
        """Whether every replica is of the newest revision and ready, and there is no other."""
        status, wanted = self.obj.get("status", {}), self.replicas
        seen = int(status.get("observedGeneration", 0)) >= int(self.obj["metadata"].get("generation", 0))
        newest = status.get("updatedReplicas", 0) == wanted
        if self.kind is STATEFUL_SET:
            newest = status.get("currentRevision") == status.get("updateRevision")
        counts = (status.get("replicas", 0), status.get("readyReplicas", 0))
        return seen and newest and counts == (wanted, wanted)


def _expression(said: Object) -> str:
    key, values = str(said["key"]), ",".join(said.get("values") or [])
    forms: dict[str, str] = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
    return forms.get(str(said["operator"]), f"!{key}")


def find(api: Api, attached: AttachedWorkload) -> FoundWorkload:
    """The one that is meant. Raises InputError when there is none, or more than one."""
    if attached.workload is not Workload.SELECTOR:
        kind = KINDS[attached.workload]
        found = api.get(kind, attached.name)
        if found is None:
            raise InputError(
                f"there is no {kind.name} {attached.name} in namespace {attached.namespace}",
                where=f"service.kubernetes.{attached.workload}",
            )
        return FoundWorkload(kind, {"kind": kind.name, **found})
    return _selected(api, attached)


def _selected(api: Api, attached: AttachedWorkload) -> FoundWorkload:
    where = "service.kubernetes.selector"
    try:
        pods = api.list(POD, attached.name).items
    except Refused as refusal:
        if refusal.status != _BAD_REQUEST:
            raise
        raise InputError(f"{attached.name!r} is no selector of labels", where=where) from refusal
    family = Family(api)
    owners = {name_of(pod): family.owner(pod) for pod in pods}
    strays = sorted(pod for pod, owner in owners.items() if owner is None)
    if not pods or strays:
        what = f"pod {strays[0]} belongs to no Deployment or StatefulSet" if strays else "it matches no pod"
        raise InputError(f"{attached.name!r}: {what}", where=where)
    found = sorted({(owner.kind, owner.name) for owner in owners.values() if owner is not None})
    if len(found) > 1:
        names = " and ".join(f"{kind} {name}" for kind, name in found)
        raise InputError(
            f"{attached.name!r} matches the pods of {names}", where=where, hint="name one of them"
        )
    kind = _OWNERS[found[0][0]]
    workload = api.get(kind, found[0][1])
    if workload is None:
        raise InputError(f"{kind.name} {found[0][1]} is gone", where=where)
    return FoundWorkload(kind, {"kind": kind.name, **workload})


@dataclass(frozen=True, slots=True)
class Owner:
    """What controls a pod in the end."""

    kind: str
    name: str
    uid: str


@dataclass(slots=True)
class Family:
    """Who owns which pod, by owner references; a ReplicaSet is asked for once."""

    api: Api
    _sets: dict[str, Owner | None] = field(default_factory=dict)

    def owner(self, pod: Object) -> Owner | None:
        """The pod's Deployment or StatefulSet; None where it has none."""
        controller = _controller(pod)
        if controller is None or controller.kind in _OWNERS:
            return controller
        if controller.kind != REPLICA_SET.name:
            return None
        if controller.uid not in self._sets:
            found = self.api.get(REPLICA_SET, controller.name)
            same = found is not None and str(found["metadata"]["uid"]) == controller.uid
            above = _controller(found) if found is not None and same else None
            self._sets[controller.uid] = above if above is not None and above.kind in _OWNERS else None
        return self._sets[controller.uid]

    def belongs(self, pod: Object, workload: FoundWorkload) -> bool:
        """Whether the pod is the workload's own, whatever labels it carries."""
        owner = self.owner(pod)
        return owner is not None and owner.uid == workload.uid


def _controller(obj: Object) -> Owner | None:
    for reference in obj["metadata"].get("ownerReferences", []):
        if reference.get("controller"):
            return Owner(str(reference["kind"]), str(reference["name"]), str(reference["uid"]))
    return None
