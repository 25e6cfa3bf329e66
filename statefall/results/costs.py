"""What a request cost the replicas, from what they said of themselves."""

from __future__ import annotations

from collections import Counter
from typing import Final

from statefall.records.events import Spent
from statefall.results.model import Costs
from statefall.results.timeline import CellTimeline, Span

FEWEST: Final = 100
"""With fewer requests, or look-ups in a cache, no figure is given."""


def costs(timeline: CellTimeline) -> Costs:
    """The difference between each process's first and last figures in the undisturbed time, summed up."""
    undisturbed = _undisturbed(timeline)
    lives: dict[str, list[Spent]] = {}
    for figures in timeline.figures:
        if figures.spent is not None and undisturbed.holds(figures.at_s):
            lives.setdefault(figures.who.boot, []).append(figures.spent)
    requests, cpu_s = 0, 0.0
    overhead: dict[str, float] = {}
    lookups: dict[str, Counter[str]] = {}
    for first, last in ((life[0], life[-1]) for life in lives.values()):
        requests += last.requests - first.requests
        cpu_s += last.cpu_s - first.cpu_s
        for part, spent_s in last.overhead_cpu_s.items():
            more_s = spent_s - first.overhead_cpu_s.get(part, 0.0)
            overhead[part] = overhead.get(part, 0.0) + more_s
        for cache, results in last.cache_lookups.items():
            earlier = first.cache_lookups.get(cache, {})
            counts = lookups.setdefault(cache, Counter())
            counts.update({result: n - earlier.get(result, 0) for result, n in results.items()})
    if requests < FEWEST:
        return Costs(requests)
    return Costs(
        requests=requests,
        cpu_ms_per_request=_ms_each(cpu_s, requests),
        overhead_cpu_ms_per_request={part: _ms_each(spent_s, requests) for part, spent_s in overhead.items()},
        cache_hit_ratio={
            cache: round(counts["hit"] / counts.total(), 4)
            for cache, counts in sorted(lookups.items())
            if counts.total() >= FEWEST
        },
    )


def _undisturbed(timeline: CellTimeline) -> Span:
    """From the begin of the baseline to the first intent of a fault, else to the audit."""
    begins = {phase.name: phase.span.start_s for phase in timeline.phases}
    start_s, end_s = begins.get("baseline"), begins.get("audit", timeline.span.end_s)
    if start_s is None:
        return Span(timeline.last_s, timeline.last_s)
    intents = [fault.intent_s for fault in timeline.faults]
    return Span(start_s, min(intents) if intents else end_s)


def _ms_each(spent_s: float, requests: int) -> float:
    return round(1000.0 * spent_s / requests, 4)
