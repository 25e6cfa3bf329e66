"""The reconciliations of a cell: each counts one thing from two sources, and explains a difference.

A difference holds only when the record names a lawful reason for all of it: counters that died with
their process, or answers that never reached the client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from statefall.records.events import PodScraped
from statefall.records.faults import Ends
from statefall.records.terms import Balancer, StateDesign
from statefall.records.verdicts import LoadResult, RealtimeCounts, RequestCounts, Verdict
from statefall.results import latency
from statefall.results.model import Reconciliation
from statefall.results.run_head import CellPlan
from statefall.results.scrapes import (
    STALE_S,
    before,
    ended_after,
    last_figures,
    still_there,
    unread,
    unread_requests,
)
from statefall.results.timeline import CellTimeline

VICTIM_HELD = "victims_held"


def reconcile(plan: CellPlan, timeline: CellTimeline, load: LoadResult) -> tuple[Reconciliation, ...]:
    """All reconciliations that this cell can have."""
    found = [
        _requests(load.requests),
        _phases(load),
        _latencies(load, plan.name),
        *_live_sessions(timeline, load),
        _findings(timeline, load),
        _told_lost(plan, timeline, load),
        *_operations(plan, timeline, load),
        *_victims_held(plan, timeline, load),
        *_websockets(load.realtime),
    ]
    return tuple(found)


def _not_available(name: str, why: str) -> Reconciliation:
    return Reconciliation(name, None, 0, 0, f"not available: {why}")


def _equal(name: str, left: int, right: int, note: str) -> Reconciliation:
    return Reconciliation(name, left == right, left, right, note)


def _requests(counts: RequestCounts) -> Reconciliation:
    parts = counts.completed + counts.failed + counts.dropped + counts.in_flight
    return _equal("requests", counts.scheduled, parts, "scheduled = completed + failed + dropped + in flight")


def _websockets(counts: RealtimeCounts) -> list[Reconciliation]:
    """Only where there were any."""
    if not counts.connections_opened:
        return []
    parts = counts.connections_kept + counts.connections_told + counts.connections_broken
    return [_equal("websockets", counts.connections_opened, parts, "opened = kept + told + broken")]


def _phases(load: LoadResult) -> Reconciliation:
    """Shows what was scheduled, compares all five counts, and says which differ."""
    names = ("scheduled", "completed", "failed", "dropped", "in_flight")
    whole, parts = load.requests, RequestCounts.joined(load.requests_by_phase.values())
    off = [
        f"{name} {getattr(whole, name)} against {getattr(parts, name)}"
        for name in names
        if getattr(whole, name) != getattr(parts, name)
    ]
    note = "requests of the cell = sum over its phases" + (f"; differs: {', '.join(off)}" if off else "")
    return Reconciliation("requests_by_phase", not off, whole.scheduled, parts.scheduled, note)


def _latencies(load: LoadResult, where: str) -> Reconciliation:
    recorded = sum(latency.count(h, where=f"{where}/{phase}") for phase, h in load.histograms.items())
    return _equal("latencies", load.requests.completed, recorded, "completed requests = recorded latencies")


def _live_sessions(timeline: CellTimeline, load: LoadResult) -> list[Reconciliation]:
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


def _findings(timeline: CellTimeline, load: LoadResult) -> Reconciliation:
    """Each lost session was reported as it happened, once."""
    in_ledger = Counter(r.session for r in load.sessions if r.ended_monotonic_s is not None)
    reported = Counter(loss.session for loss in timeline.losses if loss.verdict is Verdict.LOST)
    note = "sessions that the ledger saw end = losses reported as they happened"
    off = sorted((in_ledger - reported) + (reported - in_ledger))
    if off:
        note += f"; differs: {_some(off)}"
    return Reconciliation("losses", not off, in_ledger.total(), reported.total(), note)


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# -- what the services say of themselves ----------------------------------------------------------


def _told_lost(plan: CellPlan, timeline: CellTimeline, load: LoadResult) -> Reconciliation:
    if not plan.own_metrics:
        return _not_available("told_lost", "the service has no metrics of its own")
    if plan.strict and (why := unread(timeline)):
        return _not_available("told_lost", why)
    last = last_figures(timeline)
    service = {who: figures.lost_total for who, figures in last.items()}
    ledger = {who: sum(causes.values()) for who, causes in load.told_lost.items()}
    holds, differences = _compare(service, ledger, last, timeline, load, strict=plan.strict)
    note = "sessions the services counted as lost = sessions the shoppers were told of"
    return Reconciliation(
        "told_lost", holds, sum(service.values()), sum(ledger.values()), "; ".join([note, *differences])
    )


def _compare(
    service: Mapping[str, int],
    ledger: Mapping[str, int],
    last: Mapping[str, PodScraped],
    timeline: CellTimeline,
    load: LoadResult,
    *,
    strict: bool,
) -> tuple[bool, list[str]]:
    differences, unheard, holds = [], 0, True
    for who in sorted({*service, *ledger}):
        difference = ledger.get(who, 0) - service.get(who, 0)
        if difference > 0 and ended_after(last.get(who), who, timeline):
            most = unread_requests(who, timeline) if strict else difference
            holds &= difference <= most
            differences.append(f"{difference} counted by {who} after its last scrape, gone with its process")
            if difference > most:
                differences.append(f"but at most {most} requests were sent after it")
        elif difference > 0:
            holds = False
            differences.append(f"{difference} more told by {who} than it counted")
        elif difference < 0:
            unheard -= difference
            differences.append(f"{-difference} answers of {who} never reached a shopper")
    if unheard > load.requests.failed + load.requests.in_flight:
        holds = False
        differences.append(
            f"but only {load.requests.failed + load.requests.in_flight} requests went unanswered"
        )
    return holds, differences


def _operations(plan: CellPlan, timeline: CellTimeline, load: LoadResult) -> list[Reconciliation]:
    """What went over the wire is what was counted, but for what a process took with it."""
    last = last_figures(timeline)
    if plan.strict and plan.own_metrics and (why := unread(timeline)):
        return [_not_available("operations", why)]
    if not last or any(figures.operations is None for figures in last.values()):
        return []
    repeated = sum(figures.operations_repeated or 0 for figures in last.values())
    seen = sum(figures.operations or 0 for figures in last.values())
    ended = [who for who, figures in last.items() if ended_after(figures, who, timeline)]
    note = "operations sent by the shoppers = distinct operations the services counted"
    note += f"; {repeated} arrived more than once" if repeated else ""
    if not ended:
        unheard = load.requests.failed + load.requests.in_flight
        short = load.operations - seen
        holds = 0 <= short <= unheard
        note += f"; {short} were not counted: {unheard} requests failed or were in flight" if short else ""
        return [Reconciliation("operations", holds, load.operations, seen, note)]
    short = load.operations - seen
    if short:
        note += (
            f"; {short} were not counted: failed, or counted by processes that took their counters with them"
        )
        note += f" ({_some(sorted(ended))})"
    most = load.requests.failed + load.requests.in_flight + sum(unread_requests(w, timeline) for w in ended)
    holds = short >= 0 and (short <= most or not plan.strict)
    note += f"; at most {most} can have been" if short > most and plan.strict else ""
    return [Reconciliation("operations", holds, load.operations, seen, note)]


def _victims_held(plan: CellPlan, timeline: CellTimeline, load: LoadResult) -> list[Reconciliation]:
    """What the victims' own metrics counted just before is what was lost.

    Only where a victim holds exactly its own live sessions: in memory, every user held to one replica
    by cookie or address, and one fault. A session that was lost to its user before stays in the replica's
    memory, or has expired there: so many more may have been counted.
    """
    acted = [fault for fault in timeline.faults if fault.act_s is not None and fault.victims]
    comparable = plan.state is StateDesign.MEMORY or (
        plan.state is StateDesign.HANDOFF and all(fault.ends is Ends.ABRUPTLY for fault in acted)
    )
    if plan.balancer is Balancer.PLAIN or not comparable or len(acted) != 1:
        return []
    fault = acted[0]
    if fault.replaces_all or fault.ends in {None, Ends.NOTHING}:
        return []
    act_s = fault.act_s or 0.0
    held = [before(timeline, victim, act_s) for victim in fault.victims]
    unread_since = [act_s - (figures.at_s if figures else float("-inf")) for figures in held]
    earlier = [loss for loss in timeline.losses if loss.at_s < act_s]
    if not plan.strict and (None in held or earlier):
        return []
    if None in held and not plan.own_metrics:
        return []
    if plan.strict and fault.observed_s is None:
        return [_not_available(VICTIM_HELD, "no effect of the fault was observed")]
    if plan.strict and max(unread_since) > STALE_S:
        return [_not_available(VICTIM_HELD, "the victims' metrics were not read just before the fault")]
    if plan.strict and any(still_there(figures, timeline) for figures in held if figures):
        return [
            _not_available(
                VICTIM_HELD, "a victim had not ended when the sessions were read for the last time"
            )
        ]
    counted = sum(figures.sessions_active for figures in held if figures)
    lost = sum(
        r.live_at_mark
        and r.verdict is Verdict.LOST
        # An address that was led elsewhere loses what another replica held, and no victim counted that.
        and (plan.balancer is Balancer.STICKY or r.pod in fault.victims)
        for r in load.sessions
    )
    note = f"sessions that {', '.join(fault.victims)} counted just before = sessions lost"
    given_up = sum(loss.verdict is Verdict.LOST and loss.home.pod in fault.victims for loss in earlier)
    if given_up:
        note += f"; up to {given_up} more counted that their users had lost before"
    unclear = [r for r in load.sessions if r.live_at_mark and r.verdict is Verdict.INDETERMINATE]
    undecided = sum(record.pod in fault.victims for record in unclear)
    if plan.strict and lost + given_up < counted <= lost + given_up + undecided:
        return [_not_available(VICTIM_HELD, f"{undecided} sessions that lived there are undecided")]
    return [Reconciliation(VICTIM_HELD, lost <= counted <= lost + given_up, counted, lost, note)]
