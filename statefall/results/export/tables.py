"""A run as flat tables: a row for each cell, phase, fault, gate, and so on, all with the cell's name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from statefall.results.judged import JudgedCell
from statefall.results.model import Cell, Summary

Value = str | int | float | bool | None
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins so for a formula."""


@dataclass(frozen=True, slots=True)
class FlatTable:
    """One CSV file."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


def tables(summary: Summary, judged: tuple[JudgedCell, ...]) -> tuple[FlatTable, ...]:
    """Every table of the run, also those without a row: their columns are always there."""
    cells = summary.cells
    return (
        _cells(summary),
        _table("phases", _PHASES, (row for cell in cells for row in _phases(cell))),
        _table("causes", ("cell", "cause", "lost"), (row for cell in cells for row in _causes(cell))),
        _table("requests", ("cell", "kind", "requests"), (row for cell in cells for row in _requests(cell))),
        _table("faults", _FAULTS, (row for cell in cells for row in _faults(cell))),
        _table("gates", _GATES, (row for cell in cells for row in _gates(cell))),
        _table("reconciliations", _COUNTS, (row for cell in cells for row in _reconciliations(cell))),
        _table("findings", _FINDINGS, (row for cell in judged for row in _findings(cell))),
    )


def csv_text(table: FlatTable) -> str:
    """A heading and comma-separated rows (RFC 4180); null is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows([_plain(value) for value in row] for row in table.rows)
    return out.getvalue()


def _plain(value: Value) -> str | int | float:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str() if value.startswith(_FORMULA):
            return f"'{value}"
        case _:
            return value


def _table(name: str, columns: tuple[str, ...], rows: Iterator[tuple[Value, ...]]) -> FlatTable:
    return FlatTable(name, columns, tuple(rows))


_SESSIONS: Final = (
    "at_fault", "kept", "lost", "rolled_back", "duplicated", "foreign", "misrouted", "indeterminate",
)  # fmt: skip
_CELLS: Final = (
    "run", "experiment", "cluster", "started_at", "seed", "cell", "service", "state", "balancer", "variant",
    "faults", "replicas", "repeat", "verdict", *_SESSIONS, "lost_before_fault", "predicted_low",
    "predicted_expected", "predicted_high", "users_before_fault", "users_who_lost_before_fault",
    "recovery_s", "capacity_back_s", "last_failure_s", "cpu_ms_per_request",
)  # fmt: skip
_PHASES: Final = (
    "cell", "phase", "started", "lost", "rolled_back", "duplicated", "foreign", "misrouted",
    "throughput_per_s", "p50_ms", "p90_ms", "p99_ms", "max_ms",
)  # fmt: skip
_FAULTS: Final = (
    "cell", "fault", "kind", "victims", "act_s", "observed_s", "recovered_s", "recovery_s",
    "capacity_back_s", "last_failure_s", "sessions_back_s", "effect",
)  # fmt: skip
_GATES: Final = ("cell", "gate", "applies", "passed", "measured", "limit", "note")
_COUNTS: Final = ("cell", "name", "holds", "left", "right", "note")
_FINDINGS: Final = ("cell", "monotonic_s", "session", "verdict", "cause", "by_time", "idle_s")


def _cells(summary: Summary) -> FlatTable:
    run = (summary.run, summary.experiment, summary.cluster, summary.started_at, summary.seed)
    return _table("cells", _CELLS, ((*run, *_cell(cell)) for cell in summary.cells))


def _cell(cell: Cell) -> tuple[Value, ...]:
    faults = "+".join(fault.kind for fault in cell.faults)
    counts, predicted = cell.sessions, cell.predicted_lost
    return (
        *(cell.name, cell.service, cell.state.value, cell.balancer.value, cell.variant, faults),
        *(cell.replicas, cell.repeat, cell.verdict.value),
        *(counts.at_fault, counts.kept, counts.lost, counts.rolled_back, counts.duplicated),
        *(counts.foreign, counts.misrouted, counts.indeterminate, cell.lost_before_fault),
        *(predicted.low, predicted.expected, predicted.high),
        *(cell.users_before_fault.served, cell.users_before_fault.lost_a_session),
        *(cell.recovery_s, cell.capacity_back_s, cell.last_failure_s, cell.costs.cpu_ms_per_request),
    )


def _phases(cell: Cell) -> Iterator[tuple[Value, ...]]:
    for name, phase in cell.sessions_by_phase.items():
        times = cell.latency_ms.get(name)
        yield (
            *(cell.name, name, phase.started, phase.lost, phase.rolled_back, phase.duplicated),
            *(phase.foreign, phase.misrouted, cell.throughput_per_s.get(name)),
            *((times.p50, times.p90, times.p99, times.max) if times else (None, None, None, None)),
        )


def _causes(cell: Cell) -> Iterator[tuple[Value, ...]]:
    for cause, lost in cell.lost_by_cause.items():
        yield cell.name, cause.value, lost


def _requests(cell: Cell) -> Iterator[tuple[Value, ...]]:
    """By what became of them, and the failed ones by how they failed."""
    counts = cell.requests
    for kind, count in (
        ("scheduled", counts.scheduled),
        ("completed", counts.completed),
        ("failed", counts.failed),
        ("dropped", counts.dropped),
        ("in flight", counts.in_flight),
    ):
        yield cell.name, kind, count
    for failure, count in counts.failed_by.items():
        yield cell.name, f"failed: {failure.value}", count


def _faults(cell: Cell) -> Iterator[tuple[Value, ...]]:
    for fault in cell.faults:
        yield (
            *(cell.name, fault.fault, fault.kind, " ".join(fault.victims)),
            *(fault.act_s, fault.observed_s, fault.recovered_s, fault.recovery_s),
            *(fault.capacity_back_s, fault.last_failure_s, fault.sessions_back_s, fault.effect),
        )


def _gates(cell: Cell) -> Iterator[tuple[Value, ...]]:
    for gate in cell.gates:
        yield cell.name, gate.name.value, gate.applies, gate.passed, gate.measured, gate.limit, gate.note


def _reconciliations(cell: Cell) -> Iterator[tuple[Value, ...]]:
    for each in cell.books:
        yield cell.name, each.name, each.holds, each.left, each.right, each.note


def _findings(judged: JudgedCell) -> Iterator[tuple[Value, ...]]:
    for each in judged.losses:
        loss = each.loss
        yield (
            *(judged.cell.name, loss.at_s, loss.session, loss.verdict.value),
            *(each.cause.value, each.by_time, loss.idle_s),
        )
