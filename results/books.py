"""The books of a cell: each counts one thing from two sources and says what a difference is made of.

A difference holds only when the record names a lawful reason for all of it: counters that died with
their process, or answers that never reached the client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple

from foundation.terms import Balancer, StateDesign
from foundation.verdicts import LoadResult, RealtimeCounts, RequestCounts, Verdict
from results import latency
from results.model import Book
from results.plan import CellPlan
from results.predict import ABRUPT
from results.timeline import CellTimeline, PodFigures

VICTIM_HELD = "victims_held"


def books(plan: CellPlan, timeline: CellTimeline, load: LoadResult) -> tuple[Book, ...]:
    """All books that this cell can keep."""
    found = [
        _requests(load.requests),
        _phases(load),
        _latencies(load, plan.name),
        *_live_sessions(timeline, load),
        _findings(timeline, load),
        _told_lost(timeline, load),
        *_operations(timeline, load),
        *_victims_held(plan, timeline, load),
        *_websockets(load.realtime),
    ]
    return tuple(found)


def _equal(name: str, left: int, right: int, note: str) -> Book:
    return Book(name, left == right, left, right, note)


def _requests(counts: RequestCounts) -> Book:
    parts = counts.completed + counts.failed + counts.dropped + counts.in_flight
    return _equal("requests", counts.scheduled, parts, "scheduled = completed + failed + dropped + in flight")


def _websockets(counts: RealtimeCounts) -> list[Book]:
    """Only where there were any."""
    if not counts.connections_opened:
        return []
    parts = counts.connections_kept + counts.connections_told + counts.connections_broken
    return [_equal("websockets", counts.connections_opened, parts, "opened = kept + told + broken")]


def _phases(load: LoadResult) -> Book:
    """Shows what was scheduled, compares all five counts, and says which differ."""
    names = ("scheduled", "completed", "failed", "dropped", "in_flight")
    whole = astuple(load.requests)
    parts = tuple(map(sum, zip(*map(astuple, load.requests_by_phase.values()), strict=True))) or (0,) * 5
    off = [f"{n} {a} against {b}" for n, a, b in zip(names, whole, parts, strict=True) if a != b]
    note = "requests of the cell = sum over its phases" + (f"; differs: {', '.join(off)}" if off else "")
    return Book("requests_by_phase", not off, whole[0], parts[0], note)


def _latencies(load: LoadResult, where: str) -> Book:
    recorded = sum(latency.count(h, where=f"{where}/{phase}") for phase, h in load.histograms.items())
    return _equal("latencies", load.requests.completed, recorded, "completed requests = recorded latencies")


def _live_sessions(timeline: CellTimeline, load: LoadResult) -> list[Book]:
    if not timeline.marks:
        return []
    mark = timeline.marks[0]
    ledger = sum(record.live_at_mark for record in load.sessions)
    homes = sum(mark.by_boot.values())
    return [
        _equal("sessions_at_fault", mark.live_sessions, ledger, "live at the mark = sessions with a verdict"),
        _equal(
            "sessions_by_replica",
            mark.live_sessions,
            homes,
            "live at the mark = sum over their home replicas",
        ),
    ]


def _findings(timeline: CellTimeline, load: LoadResult) -> Book:
    """Each lost session was reported as it happened, once."""
    in_ledger = Counter(r.session for r in load.sessions if r.ended_monotonic_s is not None)
    reported = Counter(loss.session for loss in timeline.losses if loss.verdict is Verdict.LOST)
    note = "sessions that the ledger saw end = losses reported as they happened"
    off = sorted((in_ledger - reported) + (reported - in_ledger))
    if off:
        note += f"; differs: {_some(off)}"
    return Book("losses", not off, in_ledger.total(), reported.total(), note)


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# -- what the services say of themselves ----------------------------------------------------------


def last_figures(timeline: CellTimeline) -> dict[str, PodFigures]:
    """The last scrape of each `pod/boot`."""
    return {f"{f.who.pod}/{f.who.boot}": f for f in timeline.figures}


def _told_lost(timeline: CellTimeline, load: LoadResult) -> Book:
    last = last_figures(timeline)
    service = {who: figures.lost_total for who, figures in last.items()}
    ledger = {who: sum(causes.values()) for who, causes in load.told_lost.items()}
    holds, words = _compare(service, ledger, last, timeline, load)
    note = "sessions the services counted as lost = sessions the shoppers were told of"
    return Book("told_lost", holds, sum(service.values()), sum(ledger.values()), "; ".join([note, *words]))


def _compare(
    service: Mapping[str, int],
    ledger: Mapping[str, int],
    last: Mapping[str, PodFigures],
    timeline: CellTimeline,
    load: LoadResult,
) -> tuple[bool, list[str]]:
    words, unheard, holds = [], 0, True
    for who in sorted({*service, *ledger}):
        difference = ledger.get(who, 0) - service.get(who, 0)
        if difference > 0 and _ended_after(last.get(who), who, timeline):
            words.append(f"{difference} counted by {who} after its last scrape, gone with its process")
        elif difference > 0:
            holds = False
            words.append(f"{difference} more told by {who} than it counted")
        elif difference < 0:
            unheard -= difference
            words.append(f"{-difference} answers of {who} never reached a shopper")
    if unheard > load.requests.failed + load.requests.in_flight:
        holds = False
        words.append(f"but only {load.requests.failed + load.requests.in_flight} requests went unanswered")
    return holds, words


def _ended_after(figures: PodFigures | None, who: str, timeline: CellTimeline) -> bool:
    """Whether the process of this `pod/boot` ended with counts that nobody scraped.

    One that was scraped once the load was over has told everything: that it ends when the cell is
    taken down excuses no difference.
    """
    name, _, boot = who.partition("/")
    pod = timeline.pod(name)
    if pod is None:
        return False
    scraped_s = figures.at_s if figures else float("-inf")
    if timeline.ticks and scraped_s >= timeline.ticks[-1].at_s:
        return False
    known = pod.of_boot(boot)
    ends = [c.span.end_s for c in ([known] if known else pod.containers)]
    return any(end is not None and end >= scraped_s for end in ends)


def _operations(timeline: CellTimeline, load: LoadResult) -> list[Book]:
    """What went over the wire is what was counted; only where no process took its counter with it."""
    last = last_figures(timeline)
    if not last or any(figures.operations is None for figures in last.values()):
        return []
    repeated = sum(figures.operations_repeated or 0 for figures in last.values())
    seen = sum(figures.operations or 0 for figures in last.values())
    ended = [who for who, figures in last.items() if _ended_after(figures, who, timeline)]
    note = "operations sent by the shoppers = distinct operations the services counted"
    note += f"; {repeated} arrived more than once" if repeated else ""
    if not ended:
        unheard = load.requests.failed + load.requests.in_flight
        short = load.operations - seen
        holds = 0 <= short <= unheard
        note += f"; {short} were not counted: {unheard} requests failed or were in flight" if short else ""
        return [Book("operations", holds, load.operations, seen, note)]
    short = load.operations - seen
    if short:
        note += (
            f"; {short} were not counted: failed, or counted by processes that took their counters with them"
        )
        note += f" ({_some(sorted(ended))})"
    return [Book("operations", short >= 0, load.operations, seen, note)]


def _victims_held(plan: CellPlan, timeline: CellTimeline, load: LoadResult) -> list[Book]:
    """What the victims' own metrics counted just before is what was lost.

    Only where a victim holds exactly its own live sessions: in memory, every user held to one replica
    by cookie or address, one fault, and nothing lost before (a session that its user has given up stays
    in the replica's memory).
    """
    acted = [fault for fault in timeline.faults if fault.act_s is not None and fault.victims]
    comparable = plan.state is StateDesign.MEMORY or (
        plan.state is StateDesign.HANDOFF and all(fault.kind in ABRUPT for fault in acted)
    )
    if plan.balancer is Balancer.PLAIN or not comparable or len(acted) != 1 or acted[0].kind == "roll":
        return []
    fault = acted[0]
    act_s = fault.act_s or 0.0
    held = [_before(timeline, victim, act_s) for victim in fault.victims]
    if any(figures is None for figures in held) or any(loss.at_s < act_s for loss in timeline.losses):
        return []
    counted = sum(figures.sessions_active for figures in held if figures)
    lost = sum(
        r.live_at_mark
        and r.verdict is Verdict.LOST
        # An address that was led elsewhere loses what another replica held, and no victim counted that.
        and (plan.balancer is Balancer.STICKY or r.pod in fault.victims)
        for r in load.sessions
    )
    names = ", ".join(fault.victims)
    return [_equal(VICTIM_HELD, counted, lost, f"sessions that {names} counted just before = sessions lost")]


def _before(timeline: CellTimeline, pod: str, at_s: float) -> PodFigures | None:
    return next((f for f in reversed(timeline.figures) if f.who.pod == pod and f.at_s <= at_s), None)
