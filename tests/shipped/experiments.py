"""The experiments that ship: found in their folder, shortened, and thinned to cells that cover them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from statefall.clusters import registry
from statefall.conductor.choice import refuse_unfit
from statefall.conductor.experiment import Experiment
from statefall.conductor.plan import Plan, make_plan
from statefall.conductor.reading import read, shipped
from statefall.conductor.rules import Gate
from statefall.conductor.services import services_of
from statefall.records.cells import PlannedCell
from statefall.records.errors import InputError
from statefall.records.service import ServiceSpec

FILES = {file.stem: file for file in shipped()}
SEED = 1
Feature = tuple[str, ...]


def shortened(experiment: Experiment) -> tuple[str, ...]:
    """Overrides that make seconds of it: few shoppers in a hurry, two replicas, and faults that end soon."""
    found = ["load.shoppers=6", "load.arrivals_s=0.3", "load.think_time_s=0.1", "replicas=2"]
    found += ["phases.warmup_s=0.5", "phases.baseline_s=0.5", "phases.fault_s=1.5", "phases.recovery_s=1"]
    found += [f"faults.{at}.at_s={min(fault.at_s, 0.5):g}" for at, fault in enumerate(experiment.faults)]
    found += [f"fault_defaults.{kind}.duration_s=1" for kind in experiment.fault_defaults]
    return tuple(found)


def widened(experiment: Experiment) -> tuple[str, ...]:
    """Overrides that add what only a gate's `when` names, as the file's comments tell a reader to do."""
    found = []
    for axis in ("service", "state", "balancer", "fault"):
        listed = getattr(experiment.matrix, axis)
        asked = (getattr(when, axis) for _, when in experiment.conditions())
        more = dict.fromkeys(value for value in asked if value is not None and value not in listed)
        if listed and more:
            found.append(f"matrix.{axis}=[{', '.join((*listed, *more))}]")
    return tuple(found)


def whole(file: Path) -> Plan:
    """Every cell of an experiment at its full length."""
    return planned(file, widened(read(file)))


def planned(file: Path, overrides: tuple[str, ...]) -> Plan:
    """As `statefall run` plans it."""
    asked = read(file, overrides)
    return make_plan(asked, seed=SEED, repeats=1, services=services_of(asked, file), folder=file.parent)


def applies(gate: Gate, cell: PlannedCell) -> bool:
    """Whether the cell has to keep the gate."""
    when = gate.when
    return all(
        (
            when.service in {None, cell.service},
            when.state in {None, cell.state},
            when.balancer in {None, cell.balancer},
            when.variant in {None, cell.variant},
            when.fault is None or when.fault in {fault.kind for fault in cell.faults},
        )
    )


def fits(choice: str, plan: Plan) -> bool:
    """Whether the tool itself says that this cluster can do it."""
    try:
        refuse_unfit(choice, plan)
    except InputError:
        return False
    return True


def cannot_run(service: ServiceSpec) -> str:
    """Why this machine cannot run the service; empty when it can."""
    return registry.entry_of("local").load().lacking(service, False)


@dataclass(frozen=True, slots=True)
class Shortened:
    """A shipped experiment with the cells of it that are run."""

    name: str
    overrides: tuple[str, ...]
    cells: frozenset[str]
    """Names of cells of the plan."""

    def thinned(self, plan: Plan) -> Plan:
        """The plan with these cells alone."""
        return replace(plan, cells=tuple(cell for cell in plan.cells if cell.name in self.cells))


@cache
def covering(choice: str) -> tuple[Shortened, ...]:
    """Of each experiment that the cluster can do at all, the cells to be run on it.

    Every cell would take an hour. Of each file at least one runs, and one with each of its variants and of
    its own services; over all files, one with each state design, balancer, fault and gate.
    (`test_in_memory` has all of them.) What the local cluster covers, Kubernetes need not.
    """
    overrides, candidates = _candidates(choice)
    covered = _all(_candidates("local")[1]) if choice != "local" else frozenset()
    chosen = _cover(candidates, _all(candidates) - covered)
    return tuple(
        Shortened(name, overrides[name], frozenset(cell for file, cell in chosen if file == name))
        for name in FILES
        if any(file == name for file, _ in chosen)
    )


Candidates = dict[tuple[str, str], frozenset[Feature]]
"""Experiment and cell -> what the cell covers."""


@cache
def _candidates(choice: str) -> tuple[dict[str, tuple[str, ...]], Candidates]:
    """Experiment -> its overrides; and every cell that may be run on this cluster."""
    overrides: dict[str, tuple[str, ...]] = {}
    candidates: Candidates = {}
    for name, file in FILES.items():
        asked = read(file)
        overrides[name] = (*shortened(asked), *widened(asked))
        plan = planned(file, overrides[name])
        for cell in plan.cells:
            if _runs_here(choice, replace(plan, cells=(cell,), services=_of(cell))):
                candidates[name, cell.name] = _features(name, plan.experiment, cell)
    return overrides, candidates


def _all(candidates: Candidates) -> frozenset[Feature]:
    return frozenset().union(*candidates.values())


def _of(cell: PlannedCell) -> tuple[ServiceSpec, ...]:
    return (cell.under_test,) if cell.under_test is not None else ()


def _runs_here(choice: str, plan: Plan) -> bool:
    """Kubernetes runs what the local cluster cannot: the rest of its faults have tests of their own."""
    local = fits("local", plan)
    if local and choice == "local" and any(map(cannot_run, plan.services)):
        return False  # `statefall run` leaves it out
    return local if choice == "local" else not local and fits(choice, plan)


def _features(name: str, experiment: Experiment, cell: PlannedCell) -> frozenset[Feature]:
    found: set[Feature] = {
        ("experiment", name),
        ("variant", name, cell.variant),
        ("service", name, "" if experiment.of_twins else cell.service),
        ("state", cell.state),
        ("balancer", cell.balancer),
    }
    found |= {("fault", fault.kind) for fault in cell.faults}
    found |= {("gate", gate.gate) for gate in experiment.gates if applies(gate, cell)}
    return frozenset(found)


def _cover(candidates: Candidates, left: frozenset[Feature]) -> set[tuple[str, str]]:
    """Greedy: always the cell that adds most of what is left, the first of several."""
    chosen = set()
    while left:
        best = max(candidates, key=lambda key: len(candidates[key] & left))
        chosen.add(best)
        left -= candidates[best]
    return chosen


def missing(gates: Iterable[Gate], cells: Iterable[PlannedCell]) -> list[Gate]:
    """Gates that no cell has to keep."""
    listed = tuple(cells)
    return [gate for gate in gates if not any(applies(gate, cell) for cell in listed)]
