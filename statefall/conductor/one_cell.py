"""The one combination of an experiment's matrix that `statefall up` brings up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from statefall.conductor.experiment import Experiment
from statefall.conductor.plan import Plan, make_plan
from statefall.conductor.reading import read
from statefall.conductor.services import services_of
from statefall.records.cells import PlannedCell
from statefall.records.errors import InputError
from statefall.records.terms import Balancer, Service

_WITHOUT_FAULTS = ("faults=[]", "fault_defaults={}", "matrix.fault=[]", "gates=[]")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a person said of it; empty: the experiment says it."""

    service: str = ""
    state: str = ""
    balancer: str = ""
    replicas: int = 0
    overrides: tuple[str, ...] = ()
    """`KEY=VALUE` for the file."""


def plan_of_one(file: Path, chosen: Chosen, *, seed: int) -> Plan:
    """A plan of one cell without faults. Raises InputError.

    Of what is not chosen it takes the stateful twin before the stateless one, sticky before other
    balancers, else the first of the file's list.
    """
    experiment = read(file, (*_overrides(chosen), *chosen.overrides, *_WITHOUT_FAULTS))
    plan = make_plan(
        experiment,
        seed=seed,
        repeats=1,
        services=services_of(experiment, file),
        folder=file.parent,
    )
    cell = min(plan.cells, key=lambda cell: _rank(cell, experiment, plan))
    if cell.balancer is Balancer.CLIENT_IP:
        raise InputError("`client-ip` needs Kubernetes", where="matrix.balancer", hint="--balancer sticky")
    _, _, name = cell.name.partition("-")
    services = plan.services if cell.under_test is None else (cell.under_test,)
    return replace(plan, cells=(replace(cell, name=name),), services=services)


def _overrides(chosen: Chosen) -> list[str]:
    found = []
    if chosen.service or chosen.state:
        # A state says which twin has it.
        found.append(f"matrix.service=[{chosen.service}]")
    if chosen.state:
        found.append(f"matrix.state=[{chosen.state}]")
    if chosen.balancer:
        found.append(f"matrix.balancer=[{chosen.balancer}]")
    if chosen.replicas:
        found.append(f"replicas={chosen.replicas}")
    return found


def _rank(cell: PlannedCell, experiment: Experiment, plan: Plan) -> tuple[bool, int, bool, int, int]:
    services = [service.name for service in plan.services]
    states = [state for _, state in experiment.arms()] if experiment.of_twins else []
    return (
        cell.service == Service.STATELESS,
        _place(cell.service, services),
        cell.balancer is not Balancer.STICKY,
        _place(cell.state, states),
        _place(cell.variant, experiment.variant_names()),
    )


def _place(value: str, listed: Sequence[str]) -> int:
    return listed.index(value) if value in listed else 0
