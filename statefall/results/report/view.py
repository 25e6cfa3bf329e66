"""What the template shows of a cell: rows of text, computed here so that the template only places them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from statefall.records.events import Home, Replica
from statefall.records.terms import Service
from statefall.records.verdicts import RealtimeCounts, RequestCounts, RequestFailure, Verdict
from statefall.results import wording
from statefall.results.headline import story
from statefall.results.judged import JudgedCell, JudgedLoss
from statefall.results.model import Cell, FaultOutcome, GateResult, Outcome, PhaseSessions, Reconciliation
from statefall.results.report.charts import Figure, cell_figure, describe
from statefall.results.timeline import CellTimeline

LOSSES_SHOWN: Final = 8
LOSSES_LISTED: Final = 5000
"""The foldable list stops here; `events.jsonl` has them all."""

MARKS: Final = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✕",
    Outcome.INCONCLUSIVE: "?",
    Outcome.INVALID: "!",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar; `width` in percent."""

    kind: str
    count: int
    width: float


@dataclass(frozen=True, slots=True)
class Bracket:
    """The predicted interval over a bar, in percent of it."""

    left: float
    width: float
    expected: float


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase of the cell in figures."""

    name: str
    throughput: str
    p50: str
    p90: str
    p99: str
    max: str
    wait: str
    degraded: int
    started: int
    lost: int
    others: int


@dataclass(frozen=True, slots=True)
class LossRow:
    """One finding of the ledger."""

    at: str
    session: str
    user: str
    verdict: str
    cause: str
    phase: str
    home: str
    answered_by: str
    version: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row of gates, reconciliations or faults: a mark, a title and words."""

    good: bool | None
    title: str
    figures: str
    note: str


@dataclass(frozen=True, slots=True)
class CellView:
    """Everything that the page shows of one cell."""

    cell: Cell
    anchor: str
    title: str
    story: str
    mark: str
    predicted: str
    causes: str
    recovery: str

    segments: tuple[Segment, ...]
    bracket: Bracket | None
    bar_text: str
    phases: tuple[PhaseRow, ...]
    baseline: PhaseRow
    losses: tuple[LossRow, ...]
    losses_in_all: int
    gates: tuple[Line, ...]
    books: tuple[Line, ...]
    faults: tuple[FaultRow, ...]
    failures: tuple[Line, ...]
    realtime: tuple[Line, ...]
    spread: tuple[Line, ...]
    counted: tuple[Line, ...]
    cpu: str
    overheads: str
    hit_ratios: str
    figure: Figure
    figure_text: str


@dataclass(frozen=True, slots=True)
class FaultRow:
    """The journal of one fault; times in seconds since the start of the load."""

    name: str
    victims: str
    act: str
    observed: str
    recovered: str
    capacity_back: str
    last_failure: str
    sessions_back: str
    recovery: str
    effect: str


def cell_view(judged: JudgedCell) -> CellView:
    """The cell as the page shows it."""
    cell, timeline = judged.cell, judged.timeline
    return CellView(
        cell=cell,
        anchor=f"cell-{cell.name}",
        title=f"{wording.arm(cell)}, {wording.kinds(cell) if cell.faults else 'no fault'}"
        + (f", repeat {cell.repeat}" if cell.repeat > 1 else ""),
        story=story(cell),
        mark=MARKS[cell.verdict],
        predicted=wording.predicted(cell.predicted_lost),
        causes=wording.causes(cell),
        recovery=wording.seconds(cell.recovery_s),
        segments=_segments(cell),
        bracket=_bracket(cell),
        bar_text=_bar_text(cell),
        phases=tuple(_phase(cell, name) for name in cell.sessions_by_phase if name),
        baseline=_phase(cell, "baseline"),
        losses=tuple(_loss(each, timeline, cell) for each in judged.losses[:LOSSES_LISTED]),
        losses_in_all=len(judged.losses),
        gates=tuple(_gate(gate) for gate in cell.gates),
        books=tuple(_reconciliation(each) for each in cell.books),
        faults=tuple(_fault(fault) for fault in cell.faults),
        failures=_failures(cell.requests),
        realtime=_realtime(cell.realtime),
        spread=_spread(cell),
        counted=_counted(cell),
        cpu=wording.milliseconds(cell.costs.cpu_ms_per_request),
        overheads=wording.overheads(cell.costs),
        hit_ratios=wording.hit_ratios(cell.costs),
        figure=cell_figure(cell, timeline),
        figure_text=describe(cell, timeline),
    )


# -- bars -------------------------------------------------------------------------------------------


def _segments(cell: Cell) -> tuple[Segment, ...]:
    counts = cell.sessions
    wrong = counts.rolled_back + counts.duplicated + counts.foreign
    parts = (
        ("lost", counts.lost),
        ("wrong state", wrong),
        ("misrouted", counts.misrouted),
        ("undecided", counts.indeterminate),
        ("kept", counts.kept),
    )
    whole = counts.at_fault
    return tuple(Segment(kind, n, round(100 * n / whole, 3)) for kind, n in parts if n) if whole else ()


def _bracket(cell: Cell) -> Bracket | None:
    low, high, expected = cell.predicted_lost.low, cell.predicted_lost.high, cell.predicted_lost.expected
    whole = cell.sessions.at_fault
    if low is None or high is None or expected is None or not whole:
        return None
    return Bracket(
        left=round(100 * low / whole, 3),
        width=round(100 * (high - low) / whole, 3),
        expected=round(100 * expected / whole, 3),
    )


def _bar_text(cell: Cell) -> str:
    """The bar for those who do not see it."""
    parts = ", ".join(f"{segment.count} {segment.kind}" for segment in _segments(cell))
    return f"Of {cell.sessions.at_fault} sessions alive at the fault: {parts or 'none'}"


# -- rows -------------------------------------------------------------------------------------------


def _phase(cell: Cell, name: str) -> PhaseRow:
    found, latency = cell.sessions_by_phase.get(name, PhaseSessions()), cell.latency_ms.get(name)
    rate, answers = cell.throughput_per_s.get(name), cell.answers_by_phase.get(name)
    return PhaseRow(
        name=name,
        throughput="-" if rate is None else f"{rate:.1f}",
        p50=_ms(latency.p50 if latency else None),
        p90=_ms(latency.p90 if latency else None),
        p99=_ms(latency.p99 if latency else None),
        max=_ms(latency.max if latency else None),
        wait=_ms(1000 * answers.slowest_s if answers else None),
        degraded=answers.degraded if answers else 0,
        started=found.started,
        lost=found.lost,
        others=found.rolled_back + found.duplicated + found.foreign + found.misrouted,
    )


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _loss(judged: JudgedLoss, timeline: CellTimeline, cell: Cell) -> LossRow:
    loss = judged.loss
    seen = "-" if loss.seen_version is None else str(loss.seen_version)
    return LossRow(
        at=f"{loss.at_s - timeline.zero_s:.2f}",
        session=loss.session,
        user=str(loss.user_id),
        verdict=loss.verdict.value.replace("_", " "),
        cause=wording.CAUSES[judged.cause][0],
        phase=loss.phase,
        home=_home(loss.home, cell),
        answered_by=_names(loss.answered_by, cell),
        version=f"{loss.acknowledged_version} → {seen}"
        if loss.verdict is not Verdict.LOST
        else str(loss.acknowledged_version),
        evidence=loss.evidence,
    )


def _home(home: Home, cell: Cell) -> str:
    return f"{_short(home.pod, cell)} ({home.boot[:6]})" if home.boot else _short(home.pod, cell)


def _names(replicas: Sequence[Replica], cell: Cell) -> str:
    named = [_short(replica.pod, cell) for replica in replicas if replica.pod]
    return ", ".join(dict.fromkeys(named)) or "-"


def _short(pod: str, cell: Cell) -> str:
    """A pod's name without the cell's, which all of them begin with."""
    return pod.removeprefix(f"{cell.name}-")


def _gate(gate: GateResult) -> Line:
    measured = "-" if gate.measured is None else f"{gate.measured:g}"
    limit = "" if gate.limit is None else f" (limit {gate.limit:g})"
    good = gate.passed if gate.applies else None
    note = gate.note if gate.applies else f"does not apply: {gate.note}"
    return Line(good, wording.GATES[gate.name], measured + limit, note)


def _reconciliation(found: Reconciliation) -> Line:
    return Line(
        found.holds,
        wording.RECONCILIATIONS.get(found.name, found.name),
        f"{found.left:,} | {found.right:,}",
        found.note,
    )


def _failures(counts: RequestCounts) -> tuple[Line, ...]:
    found = counts.failed_by
    return tuple(
        Line(None, kind.value, f"{found[kind]:,}", wording.FAILURES[kind])
        for kind in RequestFailure
        if kind in found
    )


def _realtime(counts: RealtimeCounts) -> tuple[Line, ...]:
    """Nothing where no shopper had a WebSocket."""
    if not counts.connections_opened:
        return ()
    return (
        Line(
            None,
            "WebSockets",
            f"{counts.connections_opened:,} opened",
            f"{counts.connections_kept:,} kept, {counts.connections_told:,} closed by the service with a "
            f"reason ({counts.told_lost:,} of them because the session was lost), "
            f"{counts.connections_broken:,} broken; {counts.connections_refused:,} attempts refused",
        ),
        Line(
            None,
            "Messages",
            f"{counts.delivered:,} delivered",
            f"{counts.published:,} published; {counts.lost:,} lost on an open connection, {counts.missed:,} "
            f"missed while away, {counts.duplicated:,} delivered twice",
        ),
        Line(
            None,
            "Chat on a connection",
            f"{counts.chats:,} answered",
            f"{counts.forgotten:,} without what was said before",
        ),
    )


def _spread(cell: Cell) -> tuple[Line, ...]:
    return tuple(
        Line(
            None,
            _short(pod.pod, cell) + (" (new)" if pod.came_with_fault else ""),
            f"{pod.requests:,} | {wording.share(pod.requests, sum(each.requests for each in cell.spread))}",
            f"{pod.sessions:,} sessions at the end" if cell.service != Service.STATELESS else "",
        )
        for pod in cell.spread
    )


def _counted(cell: Cell) -> tuple[Line, ...]:
    lines = []
    for name, value in cell.counted.items():
        if name not in wording.COUNTED:
            continue
        note = wording.COUNTED[name]
        if name == "statefall_store_seconds_count":
            seconds = cell.counted.get("statefall_store_seconds_sum", 0.0)
            note += f", {wording.milliseconds(1000 * seconds / value)} each on average"
        lines.append(Line(None, name, f"{value:,.0f}", note))
    return tuple(lines)


def _fault(fault: FaultOutcome) -> FaultRow:
    return FaultRow(
        name=wording.fault_name(fault.kind),
        victims=", ".join(fault.victims) or "-",
        act=wording.seconds(fault.act_s),
        observed=wording.seconds(fault.observed_s),
        recovered=wording.seconds(fault.recovered_s),
        capacity_back=wording.seconds(fault.capacity_back_s),
        last_failure=wording.seconds(fault.last_failure_s),
        sessions_back=wording.seconds(fault.sessions_back_s),
        recovery=wording.seconds(fault.recovery_s),
        effect=fault.effect,
    )
