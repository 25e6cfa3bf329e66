"""From the record to the verdict: pure, so that an old run is judged again as it was the first time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from statefall.records.causes import Cause
from statefall.records.events import Event, RunEnded, SessionLost
from statefall.records.terms import Service
from statefall.records.verdicts import (
    Answers,
    LoadResult,
    RealtimeCounts,
    RequestCounts,
    SessionRecord,
    Verdict,
)
from statefall.results import latency
from statefall.results.attribute import attribute, by_time
from statefall.results.costs import costs
from statefall.results.counted import counted
from statefall.results.gates import Observations, judge_gate
from statefall.results.homes import predict_from_homes
from statefall.results.judged import JudgedCell, JudgedLoss, JudgedRun
from statefall.results.model import (
    AUDIT,
    BEFORE_FAULT,
    PHASES,
    SCHEMA,
    Cell,
    Latency,
    Outcome,
    PhaseSessions,
    SessionCounts,
    Summary,
    UsersBefore,
    WrongState,
    since_fault,
)
from statefall.results.predict import predict
from statefall.results.punctuality import off_schedule
from statefall.results.reading import read_timeline
from statefall.results.reconciliation import reconcile
from statefall.results.run_head import CellPlan, RunHead
from statefall.results.soundness import CERTAIN, inconclusive_because, invalid_because, verdict
from statefall.results.spread import spread
from statefall.results.surroundings import busy, unfit
from statefall.results.time_to_recover import outcomes, worst
from statefall.results.timeline import CellTimeline, by_cell

ORDER = (Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.FAILED, Outcome.INVALID)
"""From good to bad; the worst cell decides."""


def judge_run(
    plan: RunHead,
    events: Sequence[Event],
    loads: Mapping[str, LoadResult],
    *,
    partial: str = "",
) -> JudgedRun:
    """Judge every cell of the plan that began.

    `loads` is by cell name. `partial` says why the run ended early, if it did; it makes the run
    invalid, as does a cell of the plan that left no result.
    """
    recorded = by_cell(events)
    judged = tuple(
        judge_cell(cell, read_timeline(cell.name, recorded[cell.name]), loads.get(cell.name))
        for cell in plan.cells
        if cell.name in recorded
    )
    cells = tuple(each.cell for each in judged)
    reasons = [partial] if partial else []
    missing = len(plan.cells) - len(cells)
    if missing:
        reasons.append(f"{missing} of {len(plan.cells)} cells did not run")
    reasons += [f"{cell.name}: {reason}" for cell in cells for reason in cell.invalid_because]
    worst_cell = max((cell.verdict for cell in cells), key=ORDER.index, default=Outcome.INVALID)
    summary = Summary(
        schema=SCHEMA,
        run=plan.run,
        experiment=plan.experiment,
        seed=plan.seed,
        cluster=plan.cluster,
        fingerprint=dict(plan.fingerprint),
        valid=not reasons,
        invalid_because=tuple(reasons),
        verdict=Outcome.INVALID if reasons else worst_cell,
        partial=bool(partial),
        started_at=plan.started_at,
        duration_s=_duration_s(events),
        plan_sha256=plan.plan_sha256,
        rerun=plan.rerun,
        cells=cells,
        left_out=plan.left_out,
        comparable_sha256=plan.comparable_sha256,
    )
    return JudgedRun(summary, judged)


def judge_cell(plan: CellPlan, timeline: CellTimeline, load: LoadResult | None) -> JudgedCell:
    """Judge one cell; without a LoadResult (it ended early) only what the events tell, and invalid."""
    losses = tuple(_judged(loss, timeline, plan) for loss in timeline.losses)
    by_phase = _by_phase(timeline, losses)
    forecast = predict(plan, timeline)
    narrow = predict_from_homes(plan, timeline, forecast)
    sessions = _sessions(load.sessions) if load else SessionCounts()
    reconciled = reconcile(plan, timeline, load) if load else ()
    undecided = _undecided(load, timeline) if load else 0
    users = _users_before(timeline)
    realtime = load.realtime if load else RealtimeCounts()
    answers = dict(load.answers_by_phase) if load else {}
    wrong = WrongState.of(timeline.losses, plan.allowed)
    latency_ms = _latencies(plan.name, load)
    found = Observations(
        sessions,
        by_phase,
        users,
        undecided,
        forecast.lost,
        reconciled,
        since_fault(answers, faulted=bool(plan.faults)),
        realtime,
        wrong,
        narrow.lost,
        timeline,
        latency_ms,
    )
    gates = tuple(judge_gate(rule, found) for rule in plan.gates) if load else ()
    faults = outcomes(timeline)
    invalid = invalid_because(plan, timeline, load, gates, reconciled)
    unclear = inconclusive_because(
        plan,
        gates,
        reconciled,
        undecided=undecided,
        sessions=len(load.sessions) if load else 0,
        degraded=_degraded_for_no_reason(answers, timeline),
    )
    doubts = [*off_schedule(plan, timeline), *unfit(plan, timeline, load)]
    if any(gate.passed is False and gate.name not in CERTAIN for gate in gates):
        doubts += busy(timeline)
    cell = Cell(
        name=plan.name,
        service=plan.service,
        state=plan.state,
        balancer=plan.balancer,
        replicas=plan.replicas,
        repeat=plan.repeat,
        verdict=verdict(invalid, gates, unclear, doubts),
        invalid_because=invalid,
        sessions=sessions,
        sessions_by_phase=by_phase,
        users_before_fault=users,
        lost_by_cause=_lost_by_cause(losses, load),
        predicted_lost=forecast.lost,
        prediction_basis=forecast.basis,
        requests=load.requests if load else _requests_so_far(timeline),
        throughput_per_s=_throughput(timeline, load),
        latency_ms=latency_ms,
        recovery_s=worst([fault.recovery_s for fault in faults]),
        faults=faults,
        books=reconciled,
        gates=gates,
        realtime=realtime,
        variant=plan.variant,
        costs=costs(timeline),
        answers_by_phase=answers,
        counted=counted(timeline),
        spread=spread(timeline),
        wrong_state=wrong,
        predicted_from_homes=narrow.lost,
        homes_basis=narrow.basis,
        capacity_back_s=worst([fault.capacity_back_s for fault in faults]),
        last_failure_s=max((f.last_failure_s for f in faults if f.last_failure_s is not None), default=None),
        undecided=undecided,
        inconclusive_because=(*doubts, *unclear),
    )
    return JudgedCell(cell, timeline, load, losses)


def _judged(loss: SessionLost, timeline: CellTimeline, plan: CellPlan) -> JudgedLoss:
    ttl_s = plan.session_ttl_s if plan.service in set(Service) else None  # others have settings of their own
    cause = attribute(loss, timeline, plan.state, session_ttl_s=ttl_s)
    return JudgedLoss(loss, cause, by_time(loss, timeline) if cause is Cause.NEAR_FAULT else "")


# -- sessions ---------------------------------------------------------------------------------------


def _sessions(records: Sequence[SessionRecord]) -> SessionCounts:
    verdicts = Counter(record.verdict.value for record in records if record.live_at_mark)
    return SessionCounts(at_fault=verdicts.total(), **verdicts)


def _undecided(load: LoadResult, timeline: CellTimeline) -> int:
    """A session that began while the last reading was under way is not read any more: it is none of them."""
    return sum(
        record.verdict is Verdict.INDETERMINATE and timeline.phase_at(record.started_monotonic_s) != AUDIT
        for record in load.sessions
    )


def _degraded_for_no_reason(answers: Mapping[str, Answers], timeline: CellTimeline) -> int:
    """Before the fault, or in the whole cell where no fault was done to the store."""
    store_hit = any(fault.hits_store for fault in timeline.faults)
    return sum(a.degraded for phase, a in answers.items() if phase in BEFORE_FAULT or not store_hit)


def _users_before(timeline: CellTimeline) -> UsersBefore:
    """A session is named `<shopper>.<n>`, so its shopper is the part before the point."""
    served = {s.session.split(".")[0] for s in timeline.starts if timeline.phase_at(s.at_s) in BEFORE_FAULT}
    lost = {
        loss.session.split(".")[0]
        for loss in timeline.losses
        if loss.phase in BEFORE_FAULT and loss.verdict is Verdict.LOST
    }
    return UsersBefore(len(served), len(served & lost))


def _by_phase(timeline: CellTimeline, losses: Sequence[JudgedLoss]) -> dict[str, PhaseSessions]:
    started = Counter(timeline.phase_at(start.at_s) for start in timeline.starts)
    found = Counter((loss.phase, loss.verdict) for loss in timeline.losses)
    why = Counter((each.loss.phase, each.cause) for each in losses if each.loss.verdict is Verdict.LOST)
    seen = {phase.name for phase in timeline.phases} | set(started) | {phase for phase, _ in found}
    ordered = sorted(seen, key=lambda name: (PHASES.index(name) if name in PHASES else -1, name))
    return {
        name: PhaseSessions(
            started=started[name],
            lost=found[name, Verdict.LOST],
            rolled_back=found[name, Verdict.ROLLED_BACK],
            duplicated=found[name, Verdict.DUPLICATED],
            foreign=found[name, Verdict.FOREIGN],
            misrouted=found[name, Verdict.MISROUTED],
            causes={cause: why[name, cause] for cause in Cause if why[name, cause]},
        )
        for name in ordered
    }


def _lost_by_cause(losses: Sequence[JudgedLoss], load: LoadResult | None) -> dict[Cause, int]:
    """Of the sessions alive at the fault; sums to `sessions.lost`."""
    if load is None:
        return {}
    of_session = {each.loss.session: each.cause for each in losses if each.loss.verdict is Verdict.LOST}
    lost = [r.session for r in load.sessions if r.live_at_mark and r.verdict is Verdict.LOST]
    counts = Counter(of_session.get(session, Cause.UNEXPLAINED) for session in lost)
    return {cause: counts[cause] for cause in Cause if counts[cause]}


# -- rates and times --------------------------------------------------------------------------------


def _throughput(timeline: CellTimeline, load: LoadResult | None) -> dict[str, float]:
    """Completed requests per second of each phase."""
    completed = Counter({p: c.completed for p, c in load.requests_by_phase.items()} if load else {})
    if load is None:
        for tick in timeline.ticks:
            completed[tick.phase] += tick.completed
    rates = {}
    for phase in timeline.phases:
        length_s = (phase.span.end_s or 0.0) - (phase.span.start_s or 0.0)
        if length_s > 0:
            rates[phase.name] = round(completed[phase.name] / length_s, 2)
    return rates


def _latencies(cell: str, load: LoadResult | None) -> dict[str, Latency]:
    """By phase; a phase without a completed request has none."""
    if load is None:
        return {}
    ordered = sorted(load.histograms, key=lambda name: (PHASES.index(name) if name in PHASES else -1, name))
    found = {phase: latency.figures(load.histograms[phase], where=f"{cell}/{phase}") for phase in ordered}
    return {phase: figures for phase, figures in found.items() if figures}


def _requests_so_far(timeline: CellTimeline) -> RequestCounts:
    ticks = timeline.ticks
    return RequestCounts(
        scheduled=sum(tick.scheduled for tick in ticks),
        completed=sum(tick.completed for tick in ticks),
        failed=sum(tick.failed for tick in ticks),
        dropped=sum(tick.dropped for tick in ticks),
        in_flight=ticks[-1].in_flight if ticks else 0,
    )


def _duration_s(events: Sequence[Event]) -> float:
    """From the first event to the last one before the run was closed."""
    moments = [event.at_s for event in events if not isinstance(event, RunEnded)]
    return round(max(moments) - min(moments), 3) if moments else 0.0
