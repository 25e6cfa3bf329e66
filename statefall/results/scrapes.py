"""What the replicas said of themselves, and of which of them too little is known to count on it."""

from __future__ import annotations

from typing import Final

from statefall.records.events import PodScraped
from statefall.results.timeline import CellTimeline, PodLife

READ_EVERY_S: Final = 1.0
"""How often the replicas' metrics are read."""
AUDIT: Final = "audit"
"""The phase in which all sessions are read once more."""
STALE_S: Final = 6.0
"""Figures that were read so long before the process ended (or the load did) leave too much unknown."""


def last_figures(timeline: CellTimeline) -> dict[str, PodScraped]:
    """The last scrape of each `pod/boot`."""
    return {f"{f.who.pod}/{f.who.boot}": f for f in timeline.figures}


def before(timeline: CellTimeline, pod: str, at_s: float) -> PodScraped | None:
    """The last scrape of the pod until this moment."""
    return next((f for f in reversed(timeline.figures) if f.who.pod == pod and f.at_s <= at_s), None)


def ended_after(figures: PodScraped | None, who: str, timeline: CellTimeline) -> bool:
    """Whether the process of this `pod/boot` ended with counts that nobody scraped.

    One that was scraped once the load was over has told everything: that it ends when the cell is
    taken down excuses no difference.
    """
    name, _, boot = who.partition("/")
    pod = timeline.pod(name, boot)
    if pod is None:
        return False
    scraped_s = figures.at_s if figures else float("-inf")
    if timeline.ticks and scraped_s >= timeline.ticks[-1].at_s:
        return False
    return any(end >= scraped_s for end in _ends(timeline, pod, boot))


def unread(timeline: CellTimeline) -> str:
    """Whose counters were not read to their end, in words; empty where all were, as far as can be.

    A pod that was told to go is not read any more, and a killed one is read up to a second before.
    """
    last = last_figures(timeline)
    if not last:
        return "no replica's metrics could be read"
    if not timeline.ticks:
        return ""
    silent = [pod.name for pod in timeline.pods if not any(f.pod == pod.name for f in last.values())]
    served = {start.pod for start in timeline.starts}
    if named := [name for name in silent if name in served]:
        return f"the metrics of {named[0]} could never be read"
    for who, figures in last.items():
        pod = timeline.pod(figures.pod, figures.boot)
        ends = (
            [] if pod is None else [end for end in _ends(timeline, pod, figures.boot) if end >= figures.at_s]
        )
        told_to_go = [] if pod is None or pod.terminating_s is None else [pod.terminating_s]
        needed_s = min([timeline.ticks[-1].at_s, *ends, *told_to_go])
        late_s = needed_s - figures.at_s
        if late_s > STALE_S:
            return f"the metrics of {who} were last read {late_s:.0f} s before its end or the load's"
    return ""


def unread_requests(who: str, timeline: CellTimeline) -> int:
    """At most so many requests can the process have answered after its last scrape: all that were sent."""
    figures = last_figures(timeline).get(who)
    name, _, boot = who.partition("/")
    pod = timeline.pod(name, boot)
    since_s = float("-inf") if figures is None else figures.at_s - READ_EVERY_S
    ends = [] if pod is None else [end for end in _ends(timeline, pod, boot) if end >= since_s]
    until_s = max(ends, default=float("inf")) + READ_EVERY_S
    return sum(
        tick.scheduled
        for tick in timeline.ticks
        if tick.at_s >= since_s and tick.at_s - tick.interval_s <= until_s
    )


def _ends(timeline: CellTimeline, pod: PodLife, boot: str) -> list[float]:
    """When the process ended, as far as it is known: with its container, or before another one took its place
    there (a worker that was killed under a living server)."""
    known = pod.of_boot(boot)
    ends = [c.span.end_s for c in ([known] if known else pod.containers) if c.span.end_s is not None]
    of_pod = [figures for figures in timeline.figures if figures.pod == pod.name]
    own_s = max((figures.at_s for figures in of_pod if figures.boot == boot), default=float("inf"))
    next_s = min((f.at_s for f in of_pod if f.boot != boot and f.at_s > own_s), default=None)
    if next_s is not None and not any(own_s <= end <= next_s for end in ends):
        ends.append(next_s)
    return ends


def still_there(figures: PodScraped, timeline: CellTimeline) -> bool:
    """Whether the process that said this had not ended when the sessions were read for the last time."""
    pod = timeline.pod(figures.pod, figures.boot)
    if pod is None or not timeline.ticks:
        return False
    audits = [phase.span.start_s for phase in timeline.phases if phase.name == AUDIT]
    until_s = next((start_s for start_s in audits if start_s is not None), timeline.ticks[-1].at_s)
    return not any(end <= until_s for end in _ends(timeline, pod, figures.boot))
