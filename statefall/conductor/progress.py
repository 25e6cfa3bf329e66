"""What a run says while it goes on: one interface, and a form for each kind of reader."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import IO, Any, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from statefall.codec import event_fields
from statefall.conductor.plan import Plan
from statefall.records.cells import PlannedCell
from statefall.records.events import (
    Event,
    FaultFailed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    LoadLost,
    PhaseStarted,
    SessionLost,
    SessionsMarked,
    Tick,
)
from statefall.records.service import LeftOut

PLAIN_EVERY_S = 5.0
FOR_MACHINES: Final = (
    PhaseStarted,
    Tick,
    SessionsMarked,
    SessionLost,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    FaultFailed,
    LoadLost,
)


@dataclass(slots=True)
class Seen:
    """The figures of a cell so far, as the last ticks and losses told them."""

    phase: str = "starting"
    requests_per_s: float = 0.0
    failed: int = 0
    live_sessions: int = 0
    lost: int = 0

    def take(self, event: Event) -> None:
        """Update from an event."""
        match event:
            case PhaseStarted():
                self.phase = event.phase
            case Tick():
                self.requests_per_s = event.completed / max(event.interval_s, 1e-9)
                self.failed += event.failed
                self.live_sessions = event.live_sessions
                self.lost = event.lost_so_far

    def text(self) -> str:
        """One line."""
        return (
            f"{self.phase:<8}  {self.requests_per_s:6.0f} requests/s  {self.live_sessions:5d} live sessions  "
            f"{self.lost:5d} lost  {self.failed:4d} failed requests"
        )


class Reporter(Protocol):
    """Told of everything that a reader may want to see while the run goes on."""

    def begin(self, plan: Plan, run: str) -> None:
        """The run begins."""

    def cell(self, cell: PlannedCell, number: int) -> None:
        """The next cell begins."""

    def event(self, event: Event) -> None:
        """Something was recorded."""

    def end(self) -> None:
        """Nothing more will come; called on every way out."""


def title(cell: PlannedCell, number: int, cells: int) -> str:
    """The line with which a cell begins."""
    faults = ", ".join(fault.kind for fault in cell.faults) or "no fault"
    arm = f"{cell.service} ({cell.state}), {cell.balancer}, {cell.replicas} replicas"
    if cell.variant:
        arm += f", {cell.variant}"
    return f"cell {number}/{cells}: {arm}, {faults}"


def _left_out(each: LeftOut) -> str:
    return f"left out: {each.service}: {each.reason}"


@dataclass(slots=True)
class LiveReporter:
    """For a terminal: a bar for the run and the figures of the cell, redrawn in place."""

    console: Console
    _progress: Progress = field(init=False)
    _task: TaskID = field(init=False)
    _seen: Seen = field(default_factory=Seen)
    _cells: int = 0
    _cell_s: float = 0.0
    _began: float = 0.0

    def begin(self, plan: Plan, run: str) -> None:
        self._cells, self._cell_s = len(plan.cells), plan.experiment.phases.total_s
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task("preparing", total=self._cells * self._cell_s)
        self.console.print(f"run [bold]{run}[/bold]: {self._cells} cells, seed {plan.seed}")
        for each in plan.left_out:
            self.console.print(_left_out(each), markup=False)

    def cell(self, cell: PlannedCell, number: int) -> None:
        self._seen = Seen()
        self._progress.update(self._task, completed=(number - 1) * self._cell_s)
        self.console.print(title(cell, number, self._cells))

    def event(self, event: Event) -> None:
        self._seen.take(event)
        if isinstance(event, Tick):
            self._progress.advance(self._task, event.interval_s)
        self._progress.update(self._task, description=self._seen.text())
        said = _notable(event)
        if said:
            self.console.print(f"  {said}", highlight=False)

    def end(self) -> None:
        if hasattr(self, "_progress"):
            self._progress.stop()


@dataclass(slots=True)
class PlainReporter:
    """Where there is no terminal: a line when something happens, and one every five seconds."""

    stream: IO[str]
    _seen: Seen = field(default_factory=Seen)
    _cells: int = 0
    _said: float = 0.0

    def begin(self, plan: Plan, run: str) -> None:
        self._cells = len(plan.cells)
        self._line(f"run {run}: {self._cells} cells, seed {plan.seed}")
        for each in plan.left_out:
            self._line(_left_out(each))

    def cell(self, cell: PlannedCell, number: int) -> None:
        self._seen = Seen()
        self._line(title(cell, number, self._cells))

    def event(self, event: Event) -> None:
        self._seen.take(event)
        said = _notable(event)
        if said:
            self._line(f"  {said}")
        elif isinstance(event, Tick) and time.monotonic() - self._said >= PLAIN_EVERY_S:
            self._line(f"  {self._seen.text()}")

    def end(self) -> None:
        self.stream.flush()

    def _line(self, text: str) -> None:
        self._said = time.monotonic()
        print(text, file=self.stream, flush=True)


@dataclass(slots=True)
class JsonReporter:
    """For machines: one JSON object a line; the last one of a run is its summary."""

    stream: IO[str]

    def begin(self, plan: Plan, run: str) -> None:
        left_out = {each.service: each.reason for each in plan.left_out}
        self._line(
            {
                "kind": "run",
                "run": run,
                "seed": plan.seed,
                "cells": [cell.name for cell in plan.cells],
                **({"left_out": left_out} if left_out else {}),
            }
        )

    def cell(self, cell: PlannedCell, number: int) -> None:
        self._line({"kind": "cell", "cell": cell.name, "number": number})

    def event(self, event: Event) -> None:
        if isinstance(event, FOR_MACHINES):
            self._line(event_fields(event))

    def end(self) -> None:
        self.stream.flush()

    def _line(self, record: dict[str, Any]) -> None:
        print(json.dumps(record, separators=(",", ":")), file=self.stream, flush=True)


def reporter(*, as_json: bool) -> Reporter:
    """The form that fits the reader: JSON when asked, else by whether standard error is a terminal."""
    if as_json:
        return JsonReporter(sys.stdout)
    console = Console(stderr=True)
    return LiveReporter(console) if console.is_terminal else PlainReporter(sys.stderr)


def _notable(event: Event) -> str:
    """The sentence that a person is told about this event at once, or nothing."""
    match event:
        case SessionsMarked():
            return f"fault {event.fault}: {event.live_sessions} sessions are alive"
        case FaultIntended():
            victims = ", ".join(victim.pod for victim in event.victims)
            return f"fault {event.fault}: {event.fault_kind} {victims}".rstrip()
        case FaultObserved():
            return f"fault {event.fault}: {event.effect}"
        case FaultRecovered():
            return f"fault {event.fault}: {event.ready_replicas} replicas ready again"
        case FaultFailed():
            return f"fault {event.fault} FAILED: {event.reason}"
        case LoadLost():
            return f"the load generator was LOST, and the cell ends here: {event.reason}"
        case _:
            return ""
