"""Simulated runs, judged by the real judge, as sides of a comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from statefall.results import latency
from statefall.results.compare.sides import Side
from statefall.results.judge import judge_run
from statefall.results.model import Summary
from statefall.results.run_head import CellPlan, RunHead
from tests.results.simulation import HdrHistogram, SimulatedRun, default_plan, simulate


def plan(*cells: CellPlan, run: str = "a-run") -> RunHead:
    """The default experiment with these cells."""
    return replace(default_plan(run), cells=cells)


def side(run: SimulatedRun) -> Side:
    """Judged, with no record beside it."""
    return Side(Path(run.plan.run), judge_run(run.plan, run.events, run.loads).summary, {})


def simulated(head: RunHead, seed: int, **options: Any) -> Side:
    """Simulated and judged."""
    return side(simulate(head, seed=seed, **options))


def slower(run: SimulatedRun, factor: float) -> SimulatedRun:
    """The same run with each answer taking so many times as long."""
    loads = {
        cell: replace(load, histograms={p: _stretched(h, factor) for p, h in load.histograms.items()})
        for cell, load in run.loads.items()
    }
    return replace(run, loads=loads)


def _stretched(encoded: str, factor: float) -> str:
    new: Any = HdrHistogram(1, 60_000_000, 3)
    for item in latency.decode(encoded, where="test").get_recorded_iterator():
        new.record_value(round(item.value_iterated_to * factor), item.count_added_in_this_iter_step)
    return str(new.encode().decode())


def with_cell(given: Side, number: int, **changes: Any) -> Side:
    """The side with one cell changed."""
    cells = list(given.summary.cells)
    cells[number] = replace(cells[number], **changes)
    summary: Summary = replace(given.summary, cells=tuple(cells))
    return replace(given, summary=summary)
