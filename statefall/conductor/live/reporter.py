"""Tells a page what the terminal is told."""

from __future__ import annotations

from dataclasses import dataclass

from statefall.conductor.live.figures import LiveFigures
from statefall.conductor.plan import Plan
from statefall.conductor.progress import Reporter, title
from statefall.records.cells import PlannedCell
from statefall.records.events import Event


@dataclass(slots=True)
class PageReporter:
    """A `Reporter` that keeps the page's figures and passes everything on."""

    told: Reporter
    figures: LiveFigures
    _cells: int = 0

    def begin(self, plan: Plan, run: str) -> None:
        """See `Reporter.begin`."""
        self._cells = len(plan.cells)
        self.figures.name(run)
        self.told.begin(plan, run)

    def cell(self, cell: PlannedCell, number: int) -> None:
        """See `Reporter.cell`."""
        self.figures.cell(cell, title(cell, number, self._cells))
        self.told.cell(cell, number)

    def event(self, event: Event) -> None:
        """See `Reporter.event`."""
        self.figures.event(event)
        self.told.event(event)

    def end(self) -> None:
        """See `Reporter.end`; the page goes on until the run is judged."""
        self.told.end()
