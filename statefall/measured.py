"""What recorded runs found for a state design: the figures that an advice cites."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from foundation.terms import StateDesign
from results.model import Cell, Summary


@dataclass(frozen=True, slots=True)
class Measurement:
    """One cell of a valid recorded run."""

    run: str
    state: StateDesign
    balancer: str
    fault: str
    at_fault: int
    lost: int
    lost_before_fault: int
    p99_ms: float | None
    """Service time in the baseline."""

    def record(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def words(self) -> str:
        """One line for a person."""
        latency = f", p99 {self.p99_ms:.0f} ms before it" if self.p99_ms is not None else ""
        before = f" (and {self.lost_before_fault} before it)" if self.lost_before_fault else ""
        return (
            f"{self.state}, {self.balancer}, {self.fault}: {self.lost} of {self.at_fault} sessions lost"
            f"{before}{latency} [{self.run}]"
        )


def measurements(folder: Path, designs: Collection[StateDesign]) -> tuple[Measurement, ...]:
    """The cells of all valid runs in a folder that ran one of the designs, in the designs' order.

    Raises InputError when a summary in the folder cannot be read.
    """
    order = list(designs)
    found = [
        _measurement(summary.run, cell)
        for path in sorted(folder.glob("*/summary.json"))
        if (summary := Summary.from_json(path.read_bytes(), where=str(path))).valid
        for cell in summary.cells
        if cell.state in order
    ]
    return tuple(sorted(found, key=lambda m: (order.index(m.state), m.balancer, m.fault, m.run)))


def _measurement(run: str, cell: Cell) -> Measurement:
    baseline = cell.latency_ms.get("baseline")
    return Measurement(
        run=run,
        state=cell.state,
        balancer=cell.balancer.value,
        fault=", ".join(fault.kind for fault in cell.faults) or "no fault",
        at_fault=cell.sessions.at_fault,
        lost=cell.sessions.lost,
        lost_before_fault=cell.lost_before_fault,
        p99_ms=baseline.p99 if baseline else None,
    )
