"""What recorded runs found for a state design: the figures that an advice cites."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from statefall.records.terms import StateDesign
from statefall.results.model import Cell, Summary

NO_FAULT: Final = "no fault"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One cell of a valid recorded run."""

    record_name: str
    """The folder that it was read from."""
    run: str
    state: StateDesign
    balancer: str
    variant: str
    fault: str
    at_fault: int
    lost: int
    lost_before_fault: int
    p99_ms: float | None
    """Service time in the baseline."""
    cpu_ms_per_request: float | None
    """Processor time of the replicas before the fault."""

    def record(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def measurements(folder: Path, designs: Collection[StateDesign]) -> tuple[Measurement, ...]:
    """The cells of all valid runs in a folder that ran one of the designs, in the designs' order.

    Raises InputError when a summary in the folder cannot be read.
    """
    order = list(designs)
    found = [
        _measurement(path.parent.name, summary.run, cell)
        for path in sorted(folder.glob("*/summary.json"))
        if (summary := Summary.from_json(path.read_bytes(), where=str(path))).valid
        for cell in summary.cells
        if cell.state in order
    ]
    return tuple(
        sorted(found, key=lambda m: (order.index(m.state), m.balancer, m.record_name, m.variant, m.fault))
    )


def as_text(found: Iterable[Measurement]) -> list[str]:
    """One line for each arm of each record: what each fault cost, then what a request cost."""
    return [
        _arm(list(cells))
        for _, cells in groupby(found, key=lambda m: (m.state, m.balancer, m.record_name, m.variant))
    ]


def _arm(cells: list[Measurement]) -> str:
    first = cells[0]
    name = ", ".join(part for part in (first.state.value, first.balancer, first.variant) if part)
    told = [f"{cell.fault} {cell.lost} of {cell.at_fault} lost" for cell in cells if cell.fault != NO_FAULT]
    before = sum(cell.lost_before_fault for cell in cells)
    told += [f"{before} lost before any fault"] if before else []
    told += _range("p99", [cell.p99_ms for cell in cells])
    told += _range("processor time of a request", [cell.cpu_ms_per_request for cell in cells])
    return f"{name}: {'; '.join(told)} [{first.record_name}]"


def _range(what: str, values: list[float | None]) -> list[str]:
    known = [value for value in values if value is not None]
    if not known:
        return []
    low, high = f"{min(known):.1f}", f"{max(known):.1f}"
    return [f"{what} {low} ms" if low == high else f"{what} {low} to {high} ms"]


def _measurement(name: str, run: str, cell: Cell) -> Measurement:
    baseline = cell.latency_ms.get("baseline")
    return Measurement(
        record_name=name,
        run=run,
        state=cell.state,
        balancer=cell.balancer.value,
        variant=cell.variant,
        fault=", ".join(fault.kind for fault in cell.faults) or NO_FAULT,
        at_fault=cell.sessions.at_fault,
        lost=cell.sessions.lost,
        lost_before_fault=cell.lost_before_fault,
        p99_ms=baseline.p99 if baseline else None,
        cpu_ms_per_request=cell.costs.cpu_ms_per_request,
    )
