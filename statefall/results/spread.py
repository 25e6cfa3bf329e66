"""Who did the work after a fault: what each replica answered, and how many sessions it held at the end."""

from __future__ import annotations

from typing import Final

from statefall.records.events import PodScraped
from statefall.results.model import PodShare
from statefall.results.timeline import CellTimeline

FEWEST: Final = 50
"""With fewer requests than this, a share says nothing."""


def spread(timeline: CellTimeline) -> tuple[PodShare, ...]:
    """The replicas that served once all were ready again after the first fault, in order of name.

    Empty where no fault came to that, or too little was measured.
    """
    recovered = [fault.recovered_s for fault in timeline.faults if fault.recovered_s is not None]
    if not recovered or not timeline.faults:
        return ()
    since_s, began_s = min(recovered), timeline.faults[0].intent_s
    answered: dict[str, int] = {}
    held: dict[str, int] = {}
    for boot, lives in _by_boot(timeline).items():
        last = lives[-1]
        if last.at_s < since_s or last.spent is None:
            continue
        earlier = [each.spent.requests for each in lives if each.at_s <= since_s and each.spent is not None]
        answered[boot[0]] = answered.get(boot[0], 0) + last.spent.requests - (earlier[-1] if earlier else 0)
        held[boot[0]] = held.get(boot[0], 0) + last.sessions_active
    whole = sum(answered.values())
    if whole < FEWEST:
        return ()
    return tuple(
        PodShare(
            pod=pod,
            came_with_fault=_came_after(timeline, pod, began_s),
            requests=answered[pod],
            share=round(answered[pod] / whole, 4),
            sessions=held[pod],
        )
        for pod in sorted(answered)
    )


def _by_boot(timeline: CellTimeline) -> dict[tuple[str, str], list[PodScraped]]:
    lives: dict[tuple[str, str], list[PodScraped]] = {}
    for figures in timeline.figures:
        lives.setdefault((figures.who.pod, figures.who.boot), []).append(figures)
    return lives


def _came_after(timeline: CellTimeline, name: str, at_s: float) -> bool:
    pod = timeline.pod(name)
    return pod is not None and pod.span.start_s is not None and pod.span.start_s >= at_s
