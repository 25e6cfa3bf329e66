"""A run as OpenMetrics text: gauges with the run's start as their time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from statefall.records.errors import InputError
from statefall.results.model import Cell, Summary

_LABELS: Final = (
    "run", "experiment", "cluster", "cell", "service", "state", "balancer", "variant", "faults", "repeat",
)  # fmt: skip
_Sample = tuple[tuple[str, ...], float | None]
_Samples = Callable[[Cell], Iterator[_Sample]]


def openmetrics(summary: Summary, *, where: str) -> str:
    """Raises InputError naming `where` when the run's start is no time."""
    try:
        at_s = datetime.fromisoformat(summary.started_at).timestamp()
    except ValueError as error:
        raise InputError(
            f"started_at is {summary.started_at!r}", where=where, hint="a time as 2026-01-31T12:00:00+00:00"
        ) from error
    registry = CollectorRegistry()
    registry.register(_RunCollector(summary, at_s))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode()


class _RunCollector(Collector):
    """Hands the run's figures over, once."""

    def __init__(self, summary: Summary, at_s: float) -> None:
        self._summary = summary
        self._at_s = at_s

    def collect(self) -> Iterable[Metric]:
        yield self._gauge("sessions", "Sessions alive at the fault, by verdict", ("session",), _sessions)
        yield self._gauge("requests", "Requests by what became of them", ("outcome",), _requests)
        yield self._gauge("gates", "Gates that apply, by outcome", ("outcome",), _gates)
        yield self._gauge("recovery_seconds", "From the fault until users feel nothing more", (), _recovery)
        yield self._gauge("service_time_seconds", "Service time", ("phase", "quantile"), _times)
        yield self._gauge("throughput", "Completed requests a second", ("phase",), _rates)
        yield self._gauge("cell_verdict", "1 for the verdict of the cell", ("verdict",), _verdict)

    def _gauge(self, name: str, text: str, more: tuple[str, ...], of: _Samples) -> Metric:
        family = GaugeMetricFamily(f"statefall_{name}", text, labels=(*_LABELS, *more))
        for cell in self._summary.cells:
            known = self._known(cell)
            for labels, value in of(cell):
                if value is not None:
                    family.add_metric((*known, *labels), value, timestamp=self._at_s)
        return family

    def _known(self, cell: Cell) -> tuple[str, ...]:
        run = self._summary
        faults = "+".join(fault.kind for fault in cell.faults)
        return (
            *(run.run, run.experiment, run.cluster, cell.name, cell.service, cell.state.value),
            *(cell.balancer.value, cell.variant, faults, str(cell.repeat)),
        )


def _sessions(cell: Cell) -> Iterator[_Sample]:
    counts = cell.sessions
    yield ("kept",), counts.kept
    yield ("lost",), counts.lost
    yield ("rolled_back",), counts.rolled_back
    yield ("duplicated",), counts.duplicated
    yield ("foreign",), counts.foreign
    yield ("misrouted",), counts.misrouted
    yield ("indeterminate",), counts.indeterminate


def _requests(cell: Cell) -> Iterator[_Sample]:
    counts = cell.requests
    yield ("completed",), counts.completed
    yield ("failed",), counts.failed
    yield ("dropped",), counts.dropped
    yield ("in_flight",), counts.in_flight


def _gates(cell: Cell) -> Iterator[_Sample]:
    asked = [gate.passed for gate in cell.gates if gate.applies]
    yield ("passed",), asked.count(True)
    yield ("failed",), asked.count(False)
    yield ("undecided",), asked.count(None)


def _recovery(cell: Cell) -> Iterator[_Sample]:
    yield (), cell.recovery_s


def _times(cell: Cell) -> Iterator[_Sample]:
    for phase, times in cell.latency_ms.items():
        for quantile, value_ms in (("0.5", times.p50), ("0.9", times.p90), ("0.99", times.p99)):
            yield (phase, quantile), value_ms / 1000.0


def _rates(cell: Cell) -> Iterator[_Sample]:
    for phase, rate in cell.throughput_per_s.items():
        yield (phase,), rate


def _verdict(cell: Cell) -> Iterator[_Sample]:
    yield (cell.verdict.value,), 1
