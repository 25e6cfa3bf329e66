"""What is asked of services that stand already, before a run or in its place."""

from __future__ import annotations

from statefall.clusters.kubernetes.attached import rights
from statefall.clusters.kubernetes.attached.cluster import AttachedPlan, api_of, look_at_all
from statefall.clusters.kubernetes.attached.foreseen import (
    look_ahead,
    manifests_of,
    replicas_of,
    workload_in,
)
from statefall.clusters.kubernetes.attached.preview import preview
from statefall.clusters.kubernetes.attached.refusals import faults_of, refuse_lacking_rights
from statefall.clusters.kubernetes.attached.workload import KINDS, find
from statefall.clusters.kubernetes.objects.given import GivenManifest
from statefall.clusters.kubernetes.objects.kinds import ObjectKind, name_of
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.protocol import Check
from statefall.clusters.registry import RunDemand
from statefall.records.errors import InputError, StatefallError
from statefall.records.service import AttachedWorkload, ServiceSpec


def plan_of(demand: RunDemand) -> AttachedPlan:
    """The part of the demand that concerns them."""
    return AttachedPlan(demand.services, demand.cells, demand.confirmed)


def replicas(demand: RunDemand) -> int:
    """How many replicas stand. Raises InputError when the services differ in it."""
    found: dict[str, int] = {}
    for service in demand.services:
        attached = _attached(service)
        if attached.manifests:
            found[service.name] = replicas_of(attached)
            continue
        api = api_of(RunTarget.from_environment(), attached.namespace)
        try:
            refuse_lacking_rights(api, rights.to_find(attached))
            found[service.name] = find(api, attached).replicas
        finally:
            api.close()
    if len(set(found.values())) > 1:
        counts = ", ".join(f"{name} has {count}" for name, count in found.items())
        raise InputError(f"the services differ in their replicas: {counts}", where="replicas")
    return next(iter(found.values()))


def preview_of(demand: RunDemand) -> str:
    """What a run would touch, in words."""
    plan = plan_of(demand)
    lines = [
        line
        for service, found in look_at_all(RunTarget.from_environment(), plan)
        for line in preview(service, found, plan.cells_of(service))
    ]
    return "\n".join([*lines, "nothing was changed"])


def examine(demand: RunDemand) -> tuple[Check, ...]:
    """For each service: its rights, and all that would refuse a run. The label is for the run to ask for."""
    plan = plan_of(demand)
    return tuple(check for service in plan.services for check in _checks(service, plan))


def _checks(service: ServiceSpec, plan: AttachedPlan) -> list[Check]:
    attached, checks = _attached(service), []
    try:
        api = api_of(RunTarget.from_environment(), attached.namespace)
    except StatefallError as error:
        return [Check("cluster", fine=False, message=str(error))]
    try:
        checks.append(Check("cluster", fine=True, message=f"Kubernetes {api.version()} at {api.host}"))
        found = look_ahead(api, service, plan.cells_of(service), confirmed=True)
        workload = found.workload
        made = ", made for the run" if found.given else ""
        ready = f"{workload.title} with {workload.replicas} replicas in namespace {attached.namespace}{made}"
        checks.append(Check(f"service {service.name}", fine=True, message=ready))
        said = "carries the label" if found.labelled else "does not carry the label: a run needs --yes"
        checks.append(Check(f"namespace {attached.namespace}", fine=True, message=said))
        needed = _needed(service, plan, workload.kind, workload.name, found.given)
        checks.append(Check("rights", fine=True, message=f"all {len(needed)} are granted"))
    except StatefallError as error:
        checks.append(Check(f"service {service.name}", fine=False, message=str(error)))
    finally:
        api.close()
    return checks


def role_of(demand: RunDemand) -> str:
    """The smallest Role for each service, as YAML. Raises InputError where a selector finds no workload."""
    plan = plan_of(demand)
    return "---\n".join(_role(service, plan) for service in plan.services)


def _role(service: ServiceSpec, plan: AttachedPlan) -> str:
    attached = _attached(service)
    kind, name, given = _named(attached)
    return rights.role(attached, _needed(service, plan, kind, name, given))


def _needed(
    service: ServiceSpec, plan: AttachedPlan, kind: ObjectKind, name: str, given: tuple[GivenManifest, ...]
) -> tuple[rights.Right, ...]:
    kinds = faults_of(plan.cells_of(service))
    needed = rights.to_run(_attached(service), kind, name, kinds, metrics=bool(service.metrics))
    return (*needed, *rights.to_make(given))


def _named(attached: AttachedWorkload) -> tuple[ObjectKind, str, tuple[GivenManifest, ...]]:
    """The workload, and what a run makes; the cluster is asked where the file alone does not say."""
    kind = KINDS.get(attached.workload)
    if kind is not None and not attached.manifests:
        return kind, attached.name, ()
    api = api_of(RunTarget.from_environment(), attached.namespace)
    try:
        if attached.manifests:
            given = manifests_of(api, attached)
            kind, obj = workload_in((each.obj for each in given), attached)
            return kind, name_of(obj), given
        workload = find(api, attached)
        return workload.kind, workload.name, ()
    finally:
        api.close()


def _attached(service: ServiceSpec) -> AttachedWorkload:
    if service.attached is None:
        raise InputError(
            f"the service {service.name} does not say what stands on Kubernetes",
            where="service",
            hint="`kubernetes:` names it",
        )
    return service.attached
