"""Reads a side of a comparison: its summary, and of each cell what tells how exact its figures are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from statefall.records.errors import InputError
from statefall.records.events import Tick
from statefall.results import latency
from statefall.results.model import Cell, Summary
from statefall.results.record import EVENTS, HISTOGRAMS, SUMMARY
from statefall.results.stored import StoredRun, parse_events

COMPARED_PHASE: Final = "baseline"
"""Nothing has been done to the service yet: what differs there is the service or the machine."""
_TICK: Final = '"kind":"tick"'

ArmKey = tuple[str, str, str, str, str]
"""Service, state, balancer, variant, faults."""


@dataclass(frozen=True, slots=True)
class Exactness:
    """Standard errors of logarithms within one cell, bootstrapped from what its record holds."""

    quantiles: dict[float, float] = field(default_factory=dict)
    """Percentile -> that of the service time."""
    throughput: float | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """A judged run."""

    path: Path
    summary: Summary
    exactness: dict[str, Exactness]
    """By the cell's name; empty where there is nothing beside `summary.json`."""

    def arms(self) -> dict[ArmKey, tuple[Cell, ...]]:
        """The cells by their combination: the repeats of one stand together, in order."""
        found: dict[ArmKey, list[Cell]] = defaultdict(list)
        for cell in self.summary.cells:
            faults = "+".join(fault.kind for fault in cell.faults)
            key = (cell.service, cell.state.value, cell.balancer.value, cell.variant, faults)
            found[key].append(cell)
        return {key: tuple(sorted(cells, key=lambda cell: cell.repeat)) for key, cells in found.items()}


def open_side(path: Path) -> Side:
    """A run's folder or a `summary.json`. Raises InputError when it is neither, damaged, or not judged."""
    folder = path.parent if path.is_file() else path
    if path.is_file():
        try:
            summary = Summary.from_json(path.read_bytes(), where=str(path))
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
        folder = path.parent if path.name == SUMMARY else path
    else:
        stored = StoredRun(path)
        if not stored.finished() and path.is_dir():
            stored.head()
            raise InputError(
                "not judged yet", where=str(path), hint=f"`statefall report {path}` judges what there is"
            )
        summary = stored.summary()
    return Side(path, summary, _exactness(folder))


def _exactness(folder: Path) -> dict[str, Exactness]:
    quantiles, rates = _histograms(folder / HISTOGRAMS), _rates(folder / EVENTS)
    return {
        cell: Exactness(quantiles.get(cell, {}), rates.get(cell))
        for cell in sorted(quantiles.keys() | rates.keys())
    }


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error


def _histograms(path: Path) -> dict[str, dict[float, float]]:
    """Cell -> percentile -> standard error, from the log of histograms."""
    found = {}
    for line in _lines(path):
        tag, _, rest = line.partition(",")
        cell, _, phase = tag.removeprefix("Tag=").rpartition("/")
        if tag.startswith("Tag=") and phase == COMPARED_PHASE:
            histogram = latency.decode(rest.rpartition(",")[2], where=f"{path}: {cell}")
            found[cell] = {p: _of_quantile(histogram, p) for p in (50.0, 99.0)}
    return found


def _of_quantile(histogram: latency.HdrHistogram, percentile: float) -> float:
    """The bootstrap's standard error of a percentile's logarithm, without drawing.

    The percentile of a resample lies below the k-th value with the probability that a binomial law gives
    (Efron 1979): its ranks spread by sqrt(n q (1 - q)), and the values one such step away tell how far
    the percentile does.
    """
    count, q = int(histogram.get_total_count()), percentile / 100.0
    if count < 2:
        return math.inf
    step = 100.0 * math.sqrt(q * (1.0 - q) / count)
    at = (max(percentile - step, 0.0), min(percentile + step, 100.0))
    low, high = (max(1.0, float(histogram.get_value_at_percentile(p))) for p in at)
    return math.log(high / low) / 2.0


def _rates(path: Path) -> dict[str, float]:
    """Cell -> standard error of the throughput's logarithm, from how its seconds differ."""
    seconds: dict[str, list[float]] = defaultdict(list)
    ticks = "".join(line for line in _lines(path) if _TICK in line[:40])
    for tick in parse_events(ticks, where=str(path)):
        if isinstance(tick, Tick) and tick.phase == COMPARED_PHASE and tick.interval_s > 0:
            seconds[tick.cell].append(tick.completed / tick.interval_s)
    return {cell: _of_mean(rates) for cell, rates in seconds.items() if len(rates) > 1}


def _of_mean(values: Sequence[float]) -> float:
    """The bootstrap's standard error of a mean's logarithm: that of the population, over the root of n."""
    mean = sum(values) / len(values)
    if mean <= 0.0:
        return math.inf
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return spread / math.sqrt(len(values)) / mean
