"""Which runs can be compared: what a plan means, whatever it draws."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from statefall.conductor.comparability import asked_by, comparable_sha256, differences, meaning
from statefall.conductor.experiment import Experiment
from statefall.conductor.plan import make_plan
from statefall.conductor.reading import find, read
from statefall.content import PUBLISHED
from statefall.records.errors import InputError
from statefall.results.compare.sides import Side, open_side
from statefall.results.record import PLAN


def drawn(seed: int = 1, repeats: int = 1, **changes: Any) -> dict[str, Any]:
    said = read(find("default")).model_dump(mode="json", exclude_unset=True) | changes
    return make_plan(Experiment.model_validate(said), seed=seed, repeats=repeats).document()


def test_seed_repeats_gates_and_words_do_not_matter() -> None:
    same = [drawn(), drawn(seed=9), drawn(repeats=3), drawn(gates=[]), drawn(summary="Who?"), drawn(allow=[])]
    assert len({comparable_sha256(meaning(plan)) for plan in same}) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"load": {"shoppers": 98, "arrivals_s": 4.0}},
        {"phases": {"warmup_s": 9.0}},
        {"replicas": 4},
        {"faults": [{"kind": "delete"}]},
        {"faults": [{"kind": "kill", "at_s": 1.0}]},
        {"matrix": {"service": ["stateful"]}},
        {"deploy": {"grace_s": 11.0}},
        {"deploy": {"settings": {"STATEFALL_X": "1"}}},
        {"name": "other"},
    ],
    ids=str,
)
def test_what_was_asked_for_matters(changes: dict[str, Any]) -> None:
    assert comparable_sha256(meaning(drawn())) != comparable_sha256(meaning(drawn(**changes)))


def test_an_old_record_means_what_a_new_plan_means() -> None:
    """It knows nothing of `allow`, and calls `max_reloads` by another name."""
    for name in ("default", "seed-7-local"):
        old = json.loads((PUBLISHED / name / PLAN).read_bytes())
        said = {key: old["experiment"][key] for key in ("load", "phases", "replicas", "faults")}
        assert comparable_sha256(meaning(old)) == comparable_sha256(meaning(drawn(**said)))


@pytest.fixture
def default() -> Side:
    return open_side(PUBLISHED / "default")


def test_runs_of_other_seeds_and_clusters_are_comparable(default: Side) -> None:
    for name in ("seed-7-local", "seed-7-kubernetes"):
        assert differences(default, open_side(PUBLISHED / name)) == ()


def test_it_says_what_differs_in_a_line_each(default: Side) -> None:
    lines = differences(default, open_side(PUBLISHED / "drain"))
    assert "experiment: default before, drain after" in lines
    assert "load.arrivals_s: 4.0 before, 3.0 after" in lines
    assert "only before: stateful (memory), sticky, 3 replicas, kill of 1 at 0 s" in lines


def bare(side: Side, path: Path, sha256: str) -> Side:
    return replace(side, path=path, summary=replace(side.summary, comparable_sha256=sha256))


def test_a_summary_alone_is_compared_by_its_hash(default: Side, tmp_path: Path) -> None:
    mine = asked_by(default).sha256
    assert differences(default, bare(default, tmp_path / "summary.json", mine)) == ()
    (line,) = differences(default, bare(default, tmp_path / "summary.json", "0" * 64))
    assert line.startswith("what was asked for differs")
    (line,) = differences(default, bare(default, tmp_path / "summary.json", ""))
    assert "no hash in it" in line


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"experiment": {"name": 3}, "cells": []}'])
def test_a_damaged_plan_costs_one_line(default: Side, tmp_path: Path, text: str) -> None:
    shutil.copy(PUBLISHED / "default" / "summary.json", tmp_path)
    (tmp_path / PLAN).write_text(text)
    with pytest.raises(InputError, match="no plan of a run"):
        differences(default, open_side(tmp_path))
