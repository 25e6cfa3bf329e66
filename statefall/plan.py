"""The plan: everything that chance decides, drawn from the seed before anything starts.

The same experiment and seed give the same plan, byte for byte: the order of the cells, who the
shoppers are, when they arrive, and which pods the faults hit. Each draw has a source of its own,
derived from the seed and a label, so that a change in one part does not move the others.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict, dataclass
from typing import Any

from chaos.faults import PlannedFault
from chaos.schedule import schedule
from foundation.terms import Balancer, Service, StateDesign
from loadtests.config import Shopper
from statefall.experiment import Experiment, Fault

SCHEMA = "statefall/plan/v1"
USERS = 100_000
"""Users of the generated shop, ids from 1."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell as it will run."""

    name: str
    service: Service
    state: StateDesign
    balancer: Balancer
    replicas: int
    repeat: int
    seed: int
    shoppers: tuple[Shopper, ...]
    faults: tuple[PlannedFault, ...]
    variant: str = ""
    """A name from the experiment's `variants`; empty: the experiment has none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run as it will happen."""

    experiment: Experiment
    seed: int
    repeats: int
    cells: tuple[PlannedCell, ...]

    def document(self) -> dict[str, Any]:
        """The plan as plain data."""
        return {
            "schema": SCHEMA,
            "experiment": self.experiment.model_dump(mode="json"),
            "seed": self.seed,
            "repeats": self.repeats,
            "cells": [asdict(cell) for cell in self.cells],
        }

    def to_json(self) -> bytes:
        """The bytes that a run keeps as `plan.json`."""
        return json.dumps(self.document(), sort_keys=True, indent=1).encode() + b"\n"

    def sha256(self) -> str:
        """Identifies the plan in a summary."""
        return hashlib.sha256(self.to_json()).hexdigest()


def derive(seed: int, label: str) -> int:
    """A 63-bit seed for the draw named by the label: SHA-256 of both."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{label}".encode()).digest()[:8], "big") >> 1


def make_plan(experiment: Experiment, *, seed: int, repeats: int) -> Plan:
    """Draw a plan. Each repeat is a block with every cell once, in an order of its own."""
    cells: list[PlannedCell] = []
    for repeat in range(1, repeats + 1):
        block = [
            _Arm(service, state, balancer, faults, variant)
            for service, state in experiment.arms()
            for balancer in experiment.matrix.balancer
            for faults in experiment.fault_sets()
            for variant in experiment.variant_names()
        ]
        random.Random(derive(seed, f"order/{repeat}")).shuffle(block)
        for arm in block:
            cells.append(_cell(experiment, seed, repeat, len(cells) + 1, arm))
    return Plan(experiment, seed, repeats, tuple(cells))


@dataclass(frozen=True, slots=True)
class _Arm:
    """One combination of the matrix."""

    service: Service
    state: StateDesign
    balancer: Balancer
    faults: tuple[Fault, ...]
    variant: str


def _cell(experiment: Experiment, seed: int, repeat: int, number: int, arm: _Arm) -> PlannedCell:
    # The variant is no part of the label: its cells have the same shoppers and victims, to be compared.
    label = f"{arm.state}/{arm.balancer}/{'+'.join(fault.kind for fault in arm.faults)}/{repeat}"
    own = derive(seed, label)
    kinds = "-".join(fault.kind for fault in arm.faults) if experiment.matrix.fault else ""
    parts = (
        f"c{number}",
        arm.service.value,
        arm.state.value if arm.service is Service.STATEFUL else "",
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
        seed=own,
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
