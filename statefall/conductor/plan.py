"""The plan: everything that chance decides, drawn from the seed before anything starts.

The same experiment and seed give the same plan, byte for byte: the order of the cells, who the
shoppers are, when they arrive, and which pods the faults hit. Each draw has a source of its own,
derived from the seed and a label, so that a change in one part does not move the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from statefall.conductor.experiment import Experiment, Fault
from statefall.conductor.services import twins
from statefall.content import is_content
from statefall.faults.schedule import schedule
from statefall.records.cells import PlannedCell
from statefall.records.load import Shopper
from statefall.records.service import LeftOut, ServiceSpec
from statefall.records.terms import Balancer, Service, StateDesign

SCHEMA = "statefall/plan/v1"
USERS = 100_000
"""Users of the generated shop, ids from 1."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run as it will happen."""

    experiment: Experiment
    seed: int
    repeats: int
    cells: tuple[PlannedCell, ...]
    services: tuple[ServiceSpec, ...] = ()
    """All services under test."""
    folder: Path = Path()
    """Where the experiment's file lies."""
    left_out: tuple[LeftOut, ...] = ()
    """Services of the experiment whose cells were taken out of the plan."""

    def document(self) -> dict[str, Any]:
        """The plan as plain data."""
        return {
            "schema": SCHEMA,
            "experiment": self.experiment.model_dump(mode="json"),
            "seed": self.seed,
            "repeats": self.repeats,
            "cells": [_as_data(cell) for cell in self.cells],
            **({} if self.experiment.of_twins else {"services": _described(self.services, self.folder)}),
            **({"left_out": [asdict(each) for each in self.left_out]} if self.left_out else {}),
        }

    def without(self, left_out: Sequence[LeftOut]) -> Plan:
        """The plan without these services; the cells of the others are what they would be beside them."""
        names = {each.service for each in left_out}
        return replace(
            self,
            cells=tuple(cell for cell in self.cells if cell.service not in names),
            services=tuple(service for service in self.services if service.name not in names),
            left_out=(*self.left_out, *left_out),
        )

    def to_json(self) -> bytes:
        """The bytes that a run keeps as `plan.json`."""
        return json.dumps(self.document(), sort_keys=True, indent=1).encode() + b"\n"

    def sha256(self) -> str:
        """Identifies the plan in a summary."""
        return hashlib.sha256(self.to_json()).hexdigest()


def derive(seed: int, label: str) -> int:
    """A 63-bit seed for the draw named by the label: SHA-256 of both."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{label}".encode()).digest()[:8], "big") >> 1


def _as_data(cell: PlannedCell) -> dict[str, Any]:
    """The cell without its service, which stands in the plan once."""
    return {name: value for name, value in asdict(cell).items() if name != "under_test"}


def make_plan(
    experiment: Experiment,
    *,
    seed: int,
    repeats: int,
    services: Sequence[ServiceSpec] | None = None,
    folder: Path = Path(),
    attached: bool = False,
) -> Plan:
    """Draw a plan. Each repeat is a block with every cell once, in an order of its own.

    `services`: those under test; None: the twins. `standing`: they run already behind a balancer of
    their own, so that there is none to choose.
    """
    services = (twins(),) if services is None else tuple(services)
    balancers = (Balancer.AS_FOUND,) if attached else experiment.matrix.balancer
    cells: list[PlannedCell] = []
    for repeat in range(1, repeats + 1):
        block = [
            _Arm(service, state, balancer, faults, variant, under_test)
            for service, state, under_test in _services(experiment, services)
            for balancer in balancers
            for faults in experiment.fault_sets()
            for variant in experiment.variant_names()
        ]
        random.Random(derive(seed, f"order/{repeat}")).shuffle(block)
        for arm in block:
            cells.append(_cell(experiment, seed, repeat, len(cells) + 1, arm))
    return Plan(experiment, seed, repeats, tuple(cells), tuple(services), folder)


def _services(
    experiment: Experiment, services: Sequence[ServiceSpec]
) -> list[tuple[str, StateDesign, ServiceSpec]]:
    """What runs in a cell: a name, where its sessions live, and its file."""
    if experiment.of_twins:
        return [(twin.value, state, services[0]) for twin, state in experiment.arms()]
    return [(service.name, service.state, service) for service in services]


@dataclass(frozen=True, slots=True)
class _Arm:
    """One combination of the matrix."""

    service: str
    state: StateDesign
    balancer: Balancer
    faults: tuple[Fault, ...]
    variant: str
    under_test: ServiceSpec


def _cell(experiment: Experiment, seed: int, repeat: int, number: int, arm: _Arm) -> PlannedCell:
    # The variant is no part of the label: its cells have the same shoppers and victims, to be compared.
    who = arm.state if experiment.of_twins else arm.service
    label = f"{who}/{arm.balancer}/{'+'.join(fault.kind for fault in arm.faults)}/{repeat}"
    own = derive(seed, label)
    kinds = "-".join(fault.kind for fault in arm.faults) if experiment.matrix.fault else ""
    parts = (
        f"c{number}",
        arm.service,
        arm.state.value if arm.service == Service.STATEFUL else "",
        arm.balancer.value,
        kinds,
        arm.variant,
    )
    return PlannedCell(
        name="-".join(part for part in parts if part),
        service=arm.service,
        state=arm.state,
        balancer=arm.balancer,
        variant=arm.variant,
        replicas=experiment.replicas,
        repeat=repeat,
        grace_s=experiment.deploy.grace_s,
        pre_stop_s=experiment.deploy.pre_stop_s,
        settings=experiment.settings(arm.variant),
        under_test=arm.under_test,
        seed=own,
        load=experiment.load.spec(realtime=arm.service == Service.STATEFUL),
        shoppers=_shoppers(experiment, derive(own, "shoppers")),
        faults=schedule(arm.faults, replicas=experiment.replicas, seed=derive(own, "faults")),
    )


def _shoppers(experiment: Experiment, seed: int) -> tuple[Shopper, ...]:
    """Distinct users who arrive at uniformly random moments of the arrival window, in order."""
    source = random.Random(seed)
    count = experiment.load.shoppers
    users = source.sample(range(1, USERS + 1), count)
    arrivals = sorted(round(source.uniform(0.0, experiment.load.arrivals_s), 6) for _ in range(count))
    return tuple(
        Shopper(index=index, user_id=users[index], arrival_s=arrivals[index], seed=source.getrandbits(48))
        for index in range(count)
    )


def _described(services: Sequence[ServiceSpec], folder: Path) -> list[dict[str, Any]]:
    """The services as plain data for a plan, the same wherever the files lie."""
    return [_relative(asdict(service), str(folder.absolute())) for service in services]


_FILES: Final = frozenset(
    {"journey", "directory", "prepared_from", "built_from", "ca_file", "users", "manifests"}
)
"""What of a service holds absolute paths."""


def _relative(value: Any, folder: str, key: str = "") -> Any:
    """With paths as they are from this folder."""
    if isinstance(value, dict):
        return {name: _relative(each, folder, name) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_relative(each, folder, key) for each in value]
    here = key in _FILES and value and not is_content(value)
    return os.path.relpath(value, folder) if here else value
