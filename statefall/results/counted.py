"""What the replicas counted of themselves beyond sessions, requests and time."""

from __future__ import annotations

from collections.abc import Iterable

from statefall.records.events import PodScraped
from statefall.records.replica_metrics import HIGHEST, SUMMED
from statefall.results.timeline import CellTimeline


def counted(timeline: CellTimeline) -> dict[str, float]:
    """Metric -> its value over all replicas and the whole cell; metrics that stayed 0 are left out."""
    last = {(figures.who.pod, figures.who.boot): figures for figures in timeline.figures}
    found = {name: _values(name, last.values()) for name in SUMMED}
    totals = {name: sum(values) for name, values in found.items()}
    totals |= {name: max(_values(name, timeline.figures), default=0.0) for name in HIGHEST}
    return {name: round(totals[name], 6) for name in sorted(totals) if totals[name]}


def _values(name: str, figures: Iterable[PodScraped]) -> list[float]:
    return [each.counted[name] for each in figures if name in each.counted]
