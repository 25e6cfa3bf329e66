"""The published records stand: judged again they come to the same verdicts, and their seeds draw the same."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from statefall.conductor.experiment import Experiment
from statefall.conductor.plan import make_plan
from statefall.conductor.services import services_of
from statefall.content import EXPERIMENTS
from statefall.records.terms import Balancer
from statefall.results.judge import judge_run
from statefall.results.model import Cell, FaultOutcome, Summary
from statefall.results.stored import StoredRun

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published"
RECORDS = sorted(path.parent for path in PUBLISHED.glob("*/events.jsonl"))
NEW = {"wrong_state", "undecided", "inconclusive_because", "predicted_from_homes", "homes_basis"}
NEW |= {"capacity_back_s", "last_failure_s"}
"""What no published record had yet when it was judged."""
LATER = {"seed-7-kubernetes": {"spread"}, "seed-7-local": {"spread"}, "store-outage": {"spread"}}
"""What was not yet part of a cell when the record was judged."""


def test_both_clusters_ran_the_same_plan_byte_for_byte() -> None:
    local, kubernetes = (PUBLISHED / f"seed-7-{kind}" / "plan.json" for kind in ("local", "kubernetes"))
    assert local.read_bytes() == kubernetes.read_bytes()


def _named(record: Path) -> str:
    return record.name


def _told(cell: Cell, without: set[str]) -> dict[str, Any]:
    old = replace(cell, faults=tuple(_without_new(fault) for fault in cell.faults))
    return {field.name: getattr(old, field.name) for field in fields(old) if field.name not in without}


def _without_new(fault: FaultOutcome) -> FaultOutcome:
    return replace(fault, capacity_back_s=None, last_failure_s=None, sessions_back_s=None)


def test_there_are_records() -> None:
    assert len(RECORDS) >= 13


@pytest.mark.parametrize("record", RECORDS, ids=_named)
def test_a_record_is_judged_as_it_was_published(record: Path) -> None:
    stored = StoredRun(record)
    published = stored.summary()
    again = judge_run(stored.head(), stored.events(), stored.loads()).summary
    for field in fields(Summary):
        if field.name != "cells":
            assert getattr(again, field.name) == getattr(published, field.name), field.name
    later = NEW | LATER.get(record.name, set())
    assert [_told(cell, later) for cell in again.cells] == [_told(cell, later) for cell in published.cells]


@pytest.mark.parametrize("record", RECORDS, ids=_named)
def test_the_seed_of_a_record_draws_the_same_shoppers_and_victims(record: Path) -> None:
    published = json.loads((record / "plan.json").read_bytes())
    experiment = Experiment.model_validate(published["experiment"])
    services = services_of(experiment, EXPERIMENTS / f"{experiment.name}.yaml")
    drawn = make_plan(
        experiment,
        seed=published["seed"],
        repeats=published["repeats"],
        services=services,
        attached={cell["balancer"] for cell in published["cells"]} == {Balancer.AS_FOUND},
    )
    again = json.loads(drawn.to_json())
    # The record has its keys in order of name: variants, and so cells, may come in another order.
    assert _drawn(again["cells"]) == _drawn(published["cells"])


def _drawn(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """What chance decided, by the name of the cell without its number."""
    return {
        f"{cell['name'].partition('-')[2]}/{cell['repeat']}": [
            cell[key] for key in ("seed", "shoppers", "faults")
        ]
        for cell in cells
    }


@pytest.mark.parametrize("record", RECORDS, ids=_named)
def test_a_published_summary_is_written_again_with_all_that_it_says(record: Path) -> None:
    text = (record / "summary.json").read_text()
    assert _missing(json.loads(text), json.loads(Summary.from_json(text).to_json())) == []


def _missing(published: Any, again: Any, path: str = "") -> list[str]:
    """Where the second document lacks or changes something of the first; keys that came later are fine."""
    if isinstance(published, dict) and isinstance(again, dict):
        return [
            place
            for key, value in published.items()
            for place in _missing(value, again.get(key), f"{path}.{key}")
        ]
    if isinstance(published, list) and isinstance(again, list) and len(published) == len(again):
        return [
            place
            for number, (value, other) in enumerate(zip(published, again, strict=True))
            for place in _missing(value, other, f"{path}[{number}]")
        ]
    return [] if published == again else [path]


@pytest.mark.parametrize("record", RECORDS, ids=_named)
def test_published_losses_are_those_whose_home_was_hit(record: Path) -> None:
    """The narrow interval holds for every published cell that has one."""
    stored = StoredRun(record)
    for cell in judge_run(stored.head(), stored.events(), stored.loads()).summary.cells:
        low, high = cell.predicted_from_homes.low, cell.predicted_from_homes.high
        if low is not None and high is not None:
            assert low <= cell.sessions.lost <= high, cell.name
