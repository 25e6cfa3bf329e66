"""Which combination of an experiment `statefall up` brings up."""

from __future__ import annotations

import pytest

from statefall.conductor.one_cell import Chosen, plan_of_one
from statefall.conductor.reading import find, shipped
from statefall.records.errors import InputError


@pytest.mark.parametrize(
    ("chosen", "name", "replicas"),
    [
        (Chosen(), "stateful-memory-sticky", 3),
        (Chosen(service="stateless"), "stateless-sticky", 3),
        (Chosen(balancer="plain", replicas=1), "stateful-memory-plain", 1),
        (Chosen(state="client"), "stateless-sticky", 3),
        (Chosen(state="external", replicas=5), "stateful-external-sticky", 5),
    ],
)
def test_what_is_not_chosen_is_the_stateful_twin_and_sticky(chosen: Chosen, name: str, replicas: int) -> None:
    (cell,) = plan_of_one(find("default"), chosen, seed=1).cells
    assert (cell.name, cell.replicas, cell.faults) == (name, replicas, ())


@pytest.mark.parametrize("file", shipped(), ids=lambda file: file.stem)
def test_every_shipped_experiment_has_one(file: object) -> None:
    (cell,) = plan_of_one(find(str(file)), Chosen(replicas=2), seed=1).cells
    assert cell.replicas == 2


@pytest.mark.parametrize(
    ("chosen", "part"),
    [
        (Chosen(service="nobody"), "'nobody' is neither stateless nor stateful"),
        (Chosen(service="stateless", state="memory"), "no combination of service and state"),
        (Chosen(state="mine"), "matrix.state"),
        (Chosen(overrides=("load.shoppers=none",)), "--set load.shoppers=none"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_line(chosen: Chosen, part: str) -> None:
    with pytest.raises(InputError) as refusal:
        plan_of_one(find("default"), chosen, seed=1)
    assert part in str(refusal.value)
