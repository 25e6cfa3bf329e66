"""A service whose manifests a run makes: what it will be, and what is refused before. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api, Refused
from statefall.clusters.kubernetes.attached import rights
from statefall.clusters.kubernetes.attached.refusals import (
    Found,
    faults_of,
    look,
    refuse_fault,
    refuse_lacking_rights,
    refuse_other_replicas,
    refuse_unlabelled,
)
from statefall.clusters.kubernetes.attached.workload import KINDS, FoundWorkload
from statefall.clusters.kubernetes.objects.given import GivenManifest, given, labelled, part
from statefall.clusters.kubernetes.objects.kinds import (
    DEPLOYMENT,
    LEASE,
    STATEFUL_SET,
    Object,
    ObjectKind,
    labels_of,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import RUN_LABEL
from statefall.clusters.kubernetes.ownership import made
from statefall.clusters.kubernetes.ownership.lease import NAME, made_note
from statefall.records.cells import PlannedCell
from statefall.records.errors import InputError
from statefall.records.service import AttachedWorkload, ServiceSpec

WHERE: Final = "service.kubernetes.manifests"
_CONFLICT: Final = 409
_TERM: Final = re.compile(r"\s*([^=!\s(),]+)\s*={1,2}\s*([^=!\s(),]*)\s*")
_NEEDS_OTHERS: Final = ("Pod", "RoleBinding")
"""Whether these would be taken can be told only once the ServiceAccount or the Role stands that they name."""


def look_ahead(api: Api, service: ServiceSpec, cells: Sequence[PlannedCell], *, confirmed: bool) -> Found:
    """The workload as it stands, or as its manifests say. Raises InputError, EnvironmentUnfit."""
    attached = service.attached
    assert attached is not None
    if not attached.manifests:
        return look(api, service, cells, confirmed=confirmed)
    marked = refuse_unlabelled(api, confirmed=confirmed)
    objects, kinds = manifests_of(api, attached), faults_of(cells)
    kind, plain = workload_in((each.obj for each in objects), attached)
    needed = rights.to_run(attached, kind, name_of(plain), kinds, metrics=bool(service.metrics))
    refuse_lacking_rights(api, (*needed, *rights.to_make(objects)))
    left = refuse_existing(api, objects)
    tried = [each.obj if left else _tried(api, each) for each in objects]
    workload = _whole(FoundWorkload(*workload_in(tried, attached)))
    for cell in cells:
        refuse_other_replicas(workload, cell.replicas)
        for fault in cell.faults:
            refuse_fault(fault, attached, workload)
    return Found(workload, (), marked, objects)


def manifests_of(api: Api, attached: AttachedWorkload) -> tuple[GivenManifest, ...]:
    """Its manifests, each with its kind as this cluster serves it. Raises InputError for one it does not."""
    served = cache(api.served)
    return tuple(
        GivenManifest(_kind(obj, served(str(obj["apiVersion"]))), obj)
        for obj in given(attached.manifests, attached.namespace)
    )


def _kind(obj: Object, served: Iterable[ObjectKind]) -> ObjectKind:
    name = str(obj["kind"])
    found = next((kind for kind in served if kind.name == name), None)
    if found is None:
        raise InputError(
            f"the cluster has no kind {name} of {obj['apiVersion']} (object {name_of(obj)})",
            where=WHERE,
            hint="install what brings it, or leave it out",
        )
    if not found.namespaced:
        raise InputError(
            f"{name} {name_of(obj)} belongs to no namespace: a run makes nothing outside of its own",
            where=WHERE,
            hint="make it yourself and leave it out",
        )
    return found


def replicas_of(attached: AttachedWorkload) -> int:
    """How many its manifests ask for. Raises InputError."""
    _, obj = workload_in(given(attached.manifests, attached.namespace), attached)
    said = part(obj, "spec").get("replicas", 1)
    if not isinstance(said, int) or said < 1:
        raise InputError(f"{obj['kind']} {name_of(obj)} has replicas {said}", where=WHERE, hint="1 or more")
    return said


def workload_in(objects: Iterable[Object], attached: AttachedWorkload) -> tuple[ObjectKind, Object]:
    """The one of them that is meant. Raises InputError when there is none, or more than one."""
    own = [
        (kind, obj)
        for obj in objects
        for kind in (DEPLOYMENT, STATEFUL_SET)
        if (obj["kind"], obj["apiVersion"]) == (kind.name, kind.api_version)
    ]
    wanted = KINDS.get(attached.workload)
    if wanted is not None:
        found = [(kind, obj) for kind, obj in own if kind is wanted and name_of(obj) == attached.name]
    else:
        terms = _terms(attached.name)
        found = [(kind, obj) for kind, obj in own if terms.items() <= _pod_labels(obj).items()]
    if len(found) != 1:
        what = wanted.name if wanted is not None else "workload with the labels"
        many = "no" if not found else "more than one"
        raise InputError(
            f"the manifests hold {many} {what} {attached.name}", where=WHERE, hint="add it, or name another"
        )
    return found[0]


def _terms(selector: str) -> dict[str, str]:
    found = [_TERM.fullmatch(part) for part in selector.split(",")]
    if not all(found):
        raise InputError(
            f"{selector!r}: beside manifests a selector is `key=value`, with commas between",
            where="service.kubernetes.selector",
            hint="or name the deployment or statefulset",
        )
    return {term[1]: term[2] for term in found if term is not None}


def _pod_labels(obj: Object) -> Object:
    return part(part(part(part(obj, "spec"), "template"), "metadata"), "labels")


def _whole(workload: FoundWorkload) -> FoundWorkload:
    """It, with all that is asked of it. Raises InputError; the API server has not looked at all of them."""
    try:
        assert workload.containers
        assert workload.selector
    except (AssertionError, AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"{workload.title} lacks a selector, or containers in its template", where=WHERE, hint="add them"
        ) from error
    return workload


def refuse_existing(api: Api, objects: Iterable[GivenManifest]) -> bool:
    """Whether a run's objects stand in the place of these. Raises InputError for the first of others.

    What the Lease notes as made by its run may be: taking the Lease tells whether that run lives, and
    removes what a dead one left. Until then the API server cannot be asked whether it would take these.
    """
    lease = api.get(LEASE, NAME)
    note = made_note(lease) if lease is not None else ""
    left = made.read(note) if note else made.MadeByRun("", ())
    for each in objects:
        found = api.get(each.kind, each.name)
        if found is None:
            continue
        of_a_run = left.run and labels_of(found).get(RUN_LABEL) == left.run
        if not (of_a_run and made.MadeObject(each.kind, each.name) in left.objects):
            raise stands_already(api, each)
    return bool(note)


def stands_already(api: Api, each: GivenManifest) -> InputError:
    """What is said of one that somebody else made."""
    return InputError(
        f"{each.title} stands already in namespace {api.namespace}",
        where=WHERE,
        hint="leave `manifests` out to attach to what stands",
    )


def _tried(api: Api, each: GivenManifest) -> Object:
    """The object as the API server would make it, with its defaults. Raises InputError with what it says."""
    if each.kind.name in _NEEDS_OTHERS:
        return each.obj
    try:
        answer = api.make(each.kind, labelled(each.obj, "dry-run", api.namespace), dry=True)
    except Refused as refusal:
        if refusal.status == _CONFLICT:
            raise stands_already(api, each) from refusal
        raise InputError(str(refusal), where=WHERE, hint="mend that manifest") from refusal
    return {"apiVersion": each.kind.api_version, "kind": each.kind.name, **answer}
