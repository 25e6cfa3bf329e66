"""Which runs can be compared: those that asked the same, whatever seed, version or machine they ran with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from statefall.conductor.experiment import Experiment
from statefall.records.errors import InputError
from statefall.records.faults import traits_of
from statefall.results.compare.sides import Side
from statefall.results.record import PLAN

VERSION: Final = "statefall/comparable/v1"


def meaning(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan's document asks for: experiment, cells, load, phases and faults.

    Without what may differ between two runs of the same: seed, draws, order of cells, repeats, gates, and how
    the service under test is started, for its versions are what is compared. Values that are the usual ones
    are left out, so that an old plan, which does not know them yet, means the same. Raises ValueError.
    """
    experiment = Experiment.model_validate(plan["experiment"])
    return {
        "version": VERSION,
        "experiment": experiment.name,
        "load": _said(experiment.load),
        "phases": _said(experiment.phases),
        "deploy": _said(experiment.deploy),
        "variants": experiment.variants,
        "cells": sorted({_arm(cell) for cell in plan["cells"]}),
    }


def comparable_sha256(meant: Mapping[str, Any]) -> str:
    """Equal for plans that mean the same."""
    text = json.dumps(meant, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _said(section: BaseModel) -> dict[str, Any]:
    return section.model_dump(mode="json", exclude_defaults=True)


def _arm(cell: Mapping[str, Any]) -> str:
    """One combination in a phrase: its faults with their times and sizes, whoever the victims are."""
    faults = [_fault(fault) for fault in cell["faults"]]
    parts = [f"{cell['service']} ({cell['state']})", cell["balancer"], cell.get("variant", "")]
    parts += [f"{cell['replicas']} replicas", *(faults or ["no fault"])]
    return ", ".join(part for part in parts if part)


def _fault(fault: Mapping[str, Any]) -> str:
    traits = traits_of(fault["kind"])
    ends = f" for {fault['duration_s']:g} s" if traits is not None and traits.lasts else ""
    grace = "" if fault["grace_s"] is None else f" with {fault['grace_s']:g} s of grace"
    return f"{fault['kind']} of {fault['count']} at {fault['at_s']:g} s{ends}{grace}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of what a run asked for."""

    meaning: dict[str, Any] | None
    """Null without `plan.json`."""
    sha256: str
    """Empty where nothing tells it."""


def asked_by(side: Side) -> Asked:
    """From the plan beside the summary, or from the summary alone. Raises InputError for a damaged plan."""
    folder = side.path if side.path.is_dir() else side.path.parent
    path = folder / PLAN
    if not path.is_file():
        return Asked(None, side.summary.comparable_sha256)
    try:
        meant = meaning(json.loads(path.read_bytes()))
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"no plan of a run: {what}", where=str(path), hint="the file is damaged") from error
    return Asked(meant, comparable_sha256(meant))


def differences(before: Side, after: Side) -> tuple[str, ...]:
    """Why the runs cannot be compared, a line each; empty where they can. Raises InputError."""
    old, new = asked_by(before), asked_by(after)
    if old.sha256 and old.sha256 == new.sha256:
        return ()
    if old.meaning is not None and new.meaning is not None:
        return tuple(_differ("", old.meaning, new.meaning))
    if not old.sha256 or not new.sha256:
        lacking = before if not old.sha256 else after
        return (f"{lacking.path}: no {PLAN} beside it and no hash in it tells what was asked for",)
    return (f"what was asked for differs; no {PLAN} beside the summary tells in what",)


def _differ(path: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for key in {**old, **new}
            for line in _differ(f"{path}.{key}" if path else str(key), old.get(key), new.get(key))
        ]
    if isinstance(old, list) and isinstance(new, list):
        only = [f"only before: {each}" for each in old if each not in new]
        return only + [f"only after: {each}" for each in new if each not in old]
    return [] if old == new else [f"{path}: {_text(old)} before, {_text(new)} after"]


def _text(value: Any) -> str:
    return "the usual value" if value is None else str(value)
