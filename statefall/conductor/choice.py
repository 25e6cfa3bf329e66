"""What a plan asks of the cluster that a command names, and whether that cluster can do it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from statefall.clusters.capabilities import Capability, Need, needs_of_balancer, needs_of_fault
from statefall.clusters.protocol import Cluster
from statefall.clusters.registry import Attaching, RunDemand, entry_of, refuse_lacking
from statefall.conductor.experiment import Experiment, with_replicas
from statefall.conductor.plan import Plan, make_plan
from statefall.conductor.services import services_of
from statefall.records.cells import PlannedCell
from statefall.records.errors import InputError
from statefall.records.faults import Hits
from statefall.records.service import LeftOut, ServiceSpec

KUBERNETES = "kubernetes"
"""The cluster on which a service of one's own runs already."""


def open_cluster(
    name: str, run_dir: Path, plan: Plan, *, ports: range | None = None, confirmed: bool = False
) -> Cluster:
    """The cluster of that name; nothing is started yet. Raises EnvironmentUnfit, InputError."""
    return entry_of(name).load().open_cluster(run_dir, demand_of(plan, ports, confirmed=confirmed))


def refuse_unfit(name: str, plan: Plan, *, ports: range | None = None, confirmed: bool = False) -> None:
    """Raises InputError, before anything is made, when the plan asks for what this cluster cannot do.

    `confirmed`: the user said that what stands already may be worked on.
    """
    _refuse_unfit_services(name, plan)
    refuse_lacking(name, needs_of(plan, ports))
    entry_of(name).load().refuse(demand_of(plan, ports, confirmed=confirmed))


def attaching_of(name: str) -> Attaching:
    """What the cluster can say of services that stand already. Raises InputError where they cannot."""
    attaching = entry_of(name).load().attaching
    if attaching is None:
        raise InputError(
            f"the {name} cluster starts the replicas itself: nothing stands there before",
            where="--cluster",
            hint="--plan prints what will happen",
        )
    return attaching


def as_it_stands(name: str, experiment: Experiment, services: Sequence[ServiceSpec]) -> Experiment:
    """The experiment with as many replicas as stand, where it names no number. Raises InputError."""
    if experiment.says_replicas:
        return experiment
    found = attaching_of(name).replicas(RunDemand(services=tuple(services)))
    return with_replicas(experiment, found)


def without_lacking(name: str, plan: Plan, *, build: bool) -> Plan:
    """The plan without the services that cannot run on this cluster for want of a program or a package.

    Builds those that have to be built, if `build`. Raises InputError when none is left.
    """
    lacking = entry_of(name).load().lacking
    reasons = [(service.name, lacking(service, build)) for service in plan.services]
    left_out = [LeftOut(service, reason) for service, reason in reasons if reason]
    if left_out and len(left_out) == len(plan.services):
        told = "; ".join(f"{each.service}: {each.reason}" for each in left_out)
        raise InputError(f"no service of the experiment can run here: {told}", where=plan.experiment.name)
    return plan.without(left_out) if left_out else plan


def _refuse_unfit_services(name: str, plan: Plan) -> None:
    """The file of a service of one's own must say how it runs there, and have what the faults take away."""
    for cell in plan.cells:
        if cell.under_test is not None and not plan.experiment.of_twins:
            _refuse_unfit_service(name, cell, cell.under_test)


def _refuse_unfit_service(name: str, cell: PlannedCell, service: ServiceSpec) -> None:
    there = service.attached if name == KUBERNETES else service.local
    if there is None:
        raise InputError(
            f"the service {service.name} does not say how it runs on the {name} cluster",
            where="service",
            hint="`kubernetes:` names what stands there"
            if name == KUBERNETES
            else "`local:` gives its command",
        )
    for fault in cell.faults:
        if fault.kind.traits.hits is Hits.STORE and (service.local is None or not service.local.store):
            raise InputError(
                f"the fault `{fault.kind}` needs a store: the service {service.name} asks for none",
                where="faults",
                hint="`store: true` under `local` starts one",
            )


def plan_for(
    name: str, file: Path, asked: Experiment, *, seed: int, repeats: int, count: bool = True
) -> Plan:
    """The plan for an experiment that was read from this file, on this cluster. Raises InputError.

    `count`: where it names no number of replicas, ask how many stand there.
    """
    services = services_of(asked, file)
    attached = name == KUBERNETES and not asked.of_twins
    return make_plan(
        as_it_stands(name, asked, services) if attached and count else asked,
        seed=seed,
        repeats=repeats,
        services=services,
        folder=file.parent,
        attached=attached,
    )


def preview(name: str, plan: Plan) -> str:
    """What the plan would touch of services that stand already. Raises InputError."""
    attaching = attaching_of(name)
    if plan.experiment.of_twins:
        raise InputError(
            "the twins do not stand before: a run makes its own namespace and removes it",
            where="--dry-run",
            hint="--plan prints what will happen",
        )
    refuse_lacking(name, needs_of(plan))
    _refuse_unfit_services(name, plan)
    return attaching.preview(demand_of(plan, confirmed=True))


def demand_of(plan: Plan, ports: range | None = None, *, confirmed: bool = False) -> RunDemand:
    """How much the plan asks for."""
    deploy = plan.experiment.deploy
    return RunDemand(
        replicas=max(cell.replicas for cell in plan.cells),
        workers=plan.experiment.load.workers,
        drains=any(fault.kind.traits.hits is Hits.NODE for cell in plan.cells for fault in cell.faults),
        grace_s=deploy.grace_s,
        pre_stop_s=deploy.pre_stop_s,
        services=plan.services,
        cells=plan.cells,
        confirmed=confirmed,
        ports=ports,
    )


def needs_of(plan: Plan, ports: range | None = None) -> Iterator[Need]:
    """What of it takes a capability that not every cluster has."""
    if ports is not None:
        yield Need(Capability.PORT_RANGE, "`--ports`", "--ports")
    for cell in plan.cells:
        yield from needs_of_balancer(cell.balancer)
        for fault in cell.faults:
            yield from needs_of_fault(fault.kind)
