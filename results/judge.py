"""From the record to the verdict: pure, so that an old run is judged again as it was the first time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from foundation.events import Event, Kind
from foundation.verdicts import LoadResult, RealtimeCounts, RequestCounts, SessionRecord, Verdict
from results import latency
from results.attribute import attribute
from results.books import books
from results.costs import costs
from results.counted import counted
from results.gates import Findings, judge_gate
from results.model import (
    BEFORE_FAULT,
    PHASES,
    SCHEMA,
    Cause,
    Cell,
    Gate,
    GateName,
    Latency,
    Outcome,
    PhaseSessions,
    SessionCounts,
    Summary,
    UsersBefore,
    since_fault,
)
from results.plan import CellPlan, RunPlan
from results.predict import predict
from results.reading import read_timeline
from results.recovery import outcomes, worst
from results.spread import spread
from results.timeline import CellTimeline, Loss, by_cell

ORDER = (Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.FAILED, Outcome.INVALID)
"""From good to bad; the worst cell decides."""


def judge_run(
    plan: RunPlan,
    events: Sequence[Event],
    loads: Mapping[str, LoadResult],
    *,
    partial: str = "",
) -> Summary:
    """Judge every cell of the plan that began.

    `loads` is by cell name. `partial` says why the run ended early, if it did; it makes the run
    invalid, as does a cell of the plan that left no result.
    """
    recorded = by_cell(events)
    cells = tuple(
        judge_cell(cell, read_timeline(cell.name, recorded[cell.name]), loads.get(cell.name))
        for cell in plan.cells
        if cell.name in recorded
    )
    reasons = [partial] if partial else []
    missing = len(plan.cells) - len(cells)
    if missing:
        reasons.append(f"{missing} of {len(plan.cells)} cells did not run")
    reasons += [f"{cell.name}: {reason}" for cell in cells for reason in cell.invalid_because]
    verdict = max((cell.verdict for cell in cells), key=ORDER.index, default=Outcome.INVALID)
    return Summary(
        schema=SCHEMA,
        run=plan.run,
        experiment=plan.experiment,
        seed=plan.seed,
        cluster=plan.cluster,
        fingerprint=dict(plan.fingerprint),
        valid=not reasons,
        invalid_because=tuple(reasons),
        verdict=Outcome.INVALID if reasons else verdict,
        partial=bool(partial),
        started_at=plan.started_at,
        duration_s=_duration_s(events),
        plan_sha256=plan.plan_sha256,
        rerun=plan.rerun,
        cells=cells,
    )


def judge_cell(plan: CellPlan, timeline: CellTimeline, load: LoadResult | None) -> Cell:
    """Judge one cell; without a LoadResult (it ended early) only what the events tell, and invalid."""
    causes = [(loss, attribute(loss, timeline, plan.state)) for loss in timeline.losses]
    by_phase = _by_phase(timeline, causes)
    forecast = predict(plan, timeline)
    sessions = _sessions(load.sessions) if load else SessionCounts()
    kept_books = books(plan, timeline, load) if load else ()
    undecided = sum(r.verdict is Verdict.INDETERMINATE for r in load.sessions) if load else 0
    users = _users_before(timeline)
    realtime = load.realtime if load else RealtimeCounts()
    answers = dict(load.answers_by_phase) if load else {}
    found = Findings(
        sessions,
        by_phase,
        users,
        undecided,
        forecast.lost,
        kept_books,
        since_fault(answers, faulted=bool(plan.faults)),
        realtime,
    )
    gates = tuple(judge_gate(rule, found) for rule in plan.gates) if load else ()
    faults = outcomes(timeline)
    reasons = (
        *(_unsound_load(load) if load else (_without_books(timeline),)),
        *_unsound_faults(plan, timeline),
        *(f"the book `{book.name}` does not balance: {book.left} against {book.right}, {book.note}"
          for book in kept_books if not book.holds),
        *(f"{gate.measured:g} live sessions at the fault, at least {gate.limit:g} wanted"
          for gate in gates if gate.name is GateName.LIVE_AT_FAULT_AT_LEAST and not gate.passed),
    )  # fmt: skip
    return Cell(
        name=plan.name,
        service=plan.service,
        state=plan.state,
        balancer=plan.balancer,
        replicas=plan.replicas,
        repeat=plan.repeat,
        verdict=_verdict(reasons, gates),
        invalid_because=reasons,
        sessions=sessions,
        sessions_by_phase=by_phase,
        users_before_fault=users,
        lost_by_cause=_lost_by_cause(causes, load),
        predicted_lost=forecast.lost,
        prediction_basis=forecast.basis,
        requests=load.requests if load else _requests_so_far(timeline),
        throughput_per_s=_throughput(timeline, load),
        latency_ms=_latencies(plan.name, load),
        recovery_s=worst(faults),
        faults=faults,
        books=kept_books,
        gates=gates,
        realtime=realtime,
        variant=plan.variant,
        costs=costs(timeline),
        answers_by_phase=answers,
        counted=counted(timeline),
        spread=spread(timeline),
    )


# -- sessions ---------------------------------------------------------------------------------------


def _sessions(records: Sequence[SessionRecord]) -> SessionCounts:
    verdicts = Counter(record.verdict.value for record in records if record.live_at_mark)
    return SessionCounts(at_fault=verdicts.total(), **verdicts)


def _users_before(timeline: CellTimeline) -> UsersBefore:
    """A session is named `<shopper>.<n>`, so its shopper is the part before the point."""
    served = {s.session.split(".")[0] for s in timeline.starts if timeline.phase_at(s.at_s) in BEFORE_FAULT}
    lost = {
        loss.session.split(".")[0]
        for loss in timeline.losses
        if loss.phase in BEFORE_FAULT and loss.verdict is Verdict.LOST
    }
    return UsersBefore(len(served), len(served & lost))


def _by_phase(timeline: CellTimeline, causes: Sequence[tuple[Loss, Cause]]) -> dict[str, PhaseSessions]:
    started = Counter(timeline.phase_at(start.at_s) for start in timeline.starts)
    found = Counter((loss.phase, loss.verdict) for loss in timeline.losses)
    why = Counter((loss.phase, cause) for loss, cause in causes if loss.verdict is Verdict.LOST)
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


def _lost_by_cause(causes: Sequence[tuple[Loss, Cause]], load: LoadResult | None) -> dict[Cause, int]:
    """Of the sessions alive at the fault; sums to `sessions.lost`."""
    if load is None:
        return {}
    of_session = {loss.session: cause for loss, cause in causes if loss.verdict is Verdict.LOST}
    lost = [r.session for r in load.sessions if r.live_at_mark and r.verdict is Verdict.LOST]
    counts = Counter(of_session.get(session, Cause.UNEXPLAINED) for session in lost)
    return {cause: counts[cause] for cause in Cause if counts[cause]}


# -- soundness --------------------------------------------------------------------------------------


def _unsound_faults(plan: CellPlan, timeline: CellTimeline) -> list[str]:
    reasons = []
    intended = [fault for fault in timeline.faults if fault.kind]
    if len(intended) < len(plan.faults):
        reasons.append(
            f"{len(plan.faults) - len(intended)} of {len(plan.faults)} planned faults were not carried out"
        )
    for fault in timeline.faults:
        if fault.failed:
            reasons.append(f"fault {fault.fault} {fault.kind}: {fault.failed}")
        elif fault.observed_s is None:
            reasons.append(f"fault {fault.fault} {fault.kind}: no effect was observed")
    return reasons


def _without_books(timeline: CellTimeline) -> str:
    if timeline.load_lost:
        return f"load generator: {timeline.load_lost}"
    return "it ended before its books were closed"


def _unsound_load(load: LoadResult) -> list[str]:
    return [f"load generator: {fault}" for fault in load.generator_faults]


def _verdict(reasons: Sequence[str], gates: Sequence[Gate]) -> Outcome:
    if reasons:
        return Outcome.INVALID
    if any(gate.passed is False for gate in gates):
        return Outcome.FAILED
    if any(gate.applies and gate.passed is None for gate in gates):
        return Outcome.INCONCLUSIVE
    return Outcome.PASSED


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
    moments = [float(e["monotonic_s"]) for e in events if e["kind"] != Kind.RUN_ENDED]
    return round(max(moments) - min(moments), 3) if moments else 0.0
