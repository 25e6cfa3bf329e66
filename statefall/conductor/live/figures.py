"""What the page shows: kept from the events of a run as they come, read by the page's own threads."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from statefall.records.cells import PlannedCell
from statefall.records.events import (
    CellEvent,
    ConnectionLost,
    Event,
    FaultActed,
    FaultEvent,
    FaultFailed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    InCell,
    MessageLost,
    PhaseStarted,
    PodScraped,
    SessionLost,
    SessionStarted,
    Tick,
)
from statefall.records.verdicts import Verdict
from statefall.results.attribute import attribute
from statefall.results.reading import read_timeline
from statefall.results.timeline import CellTimeline
from statefall.results.wording import CAUSES

MOST_EVENTS: Final = 20_000
"""Of one cell, without ticks and scrapes: so long does a cause find what it rests on."""
MOST_TICKS: Final = 600
SHOWN_LOSSES: Final = 15
_UNUSED: Final = (Tick, PodScraped, ConnectionLost, MessageLost)


def _verdict(found: SessionLost) -> str:
    return found.verdict.value.replace("_", " ")


@dataclass(slots=True)
class _LiveFault:
    fault: str
    kind: str
    at_s: float
    said: str = "about to happen"

    def take(self, event: FaultEvent, at_s: float) -> None:
        match event:
            case FaultActed():
                self.at_s, self.said = at_s, "carried out"
            case FaultObserved():
                self.said = event.effect
            case FaultRecovered():
                self.said += f"; {event.ready_replicas} replicas ready again"
            case FaultFailed():
                self.said = f"failed: {event.reason}"


@dataclass(slots=True)
class _LiveCell:
    """The cell that runs."""

    cell: PlannedCell
    title: str
    zero_s: float | None = None
    phase: str = "load"
    live: int = 0
    events: deque[CellEvent] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    ticks: deque[list[float]] = field(default_factory=lambda: deque(maxlen=MOST_TICKS))
    homes: Counter[str] = field(default_factory=Counter)
    lost_at: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, _LiveFault] = field(default_factory=dict)

    def take(self, event: CellEvent) -> None:
        if self.zero_s is None:
            self.zero_s = event.at_s
        at_s = round(event.at_s - self.zero_s, 1)
        if not isinstance(event, _UNUSED):
            self.events.append(event)
        match event:
            case PhaseStarted():
                self.phase = event.phase
            case Tick():
                rate = 1.0 / max(event.interval_s, 1e-9)
                self.live = event.live_sessions
                rates = (round(event.completed * rate, 1), round(event.failed * rate, 1))
                self.ticks.append([at_s, *rates, event.live_sessions, event.lost_so_far])
            case SessionStarted():
                self.homes[event.pod] += 1
            case SessionLost():
                self.verdicts[_verdict(event)] += 1
                self.lost_at[event.home.pod] += 1
            case FaultIntended():
                self.faults[event.fault] = _LiveFault(event.fault, event.fault_kind, at_s)
            case FaultEvent() if event.fault in self.faults:
                self.faults[event.fault].take(event, at_s)

    def losses(self) -> list[tuple[SessionLost, str]]:
        """Every finding, with its cause in words as far as what has come by now tells it."""
        events: Sequence[CellEvent] = tuple(self.events)
        timeline = read_timeline(self.cell.name, events)
        return [(loss, self._cause(loss, timeline)) for loss in timeline.losses]

    def _cause(self, loss: SessionLost, timeline: CellTimeline) -> str:
        """In words; empty for what is no loss."""
        if loss.verdict is not Verdict.LOST:
            return ""
        return CAUSES[attribute(loss, timeline, self.cell.state)][0]


class LiveFigures:
    """Filled by the thread that runs the experiment; `document` may be called by any other."""

    def __init__(self, title: str) -> None:
        """`title`: the run's name, or what is up."""
        self._lock = threading.Lock()
        self._title = title
        self._cell: _LiveCell | None = None
        self._ended: list[dict[str, Any]] = []
        self._report, self._over = "", False
        self._said: deque[str] = deque(maxlen=20)

    def name(self, title: str) -> None:
        """The run has its name."""
        with self._lock:
            self._title = title

    def cell(self, cell: PlannedCell, title: str) -> None:
        """The next cell begins."""
        with self._lock:
            self._end_cell()
            self._cell = _LiveCell(cell, title)

    def event(self, event: Event) -> None:
        """Something was recorded."""
        with self._lock:
            if self._cell is not None and isinstance(event, InCell):
                self._cell.take(event)

    def say(self, line: str) -> None:
        """What became of a fault that was asked for on the page."""
        with self._lock:
            self._said.append(line)

    def end(self, report: str = "") -> None:
        """Nothing more will come; where the report lies."""
        with self._lock:
            self._end_cell()
            self._over, self._report = True, report or self._report

    def document(self) -> dict[str, Any]:
        """Everything that the page shows, as JSON has it; times in seconds since the cell's begin."""
        with self._lock:
            return {
                "title": self._title,
                "over": self._over,
                "report": self._report,
                "ended": list(self._ended),
                "said": list(self._said),
                "cell": None if self._cell is None else self._shown(self._cell),
            }

    def _end_cell(self) -> None:
        cell, self._cell = self._cell, None
        if cell is not None:
            causes = Counter(cause for _, cause in cell.losses() if cause)
            told = ", ".join(f"{number} {cause}" for cause, number in causes.most_common())
            found = cell.verdicts.total()
            self._ended.append({"title": cell.title, "found": found, "causes": told or "none"})

    def _shown(self, cell: _LiveCell) -> dict[str, Any]:
        losses = cell.losses()
        zero_s = cell.zero_s or 0.0
        latest = [
            {
                "at": round(loss.at_s - zero_s, 1),
                "session": loss.session,
                "verdict": _verdict(loss),
                "home": loss.home.pod,
                "cause": cause,
                "evidence": loss.evidence,
            }
            for loss, cause in losses[: -SHOWN_LOSSES - 1 : -1]
        ]
        return {
            "title": cell.title,
            "phase": cell.phase,
            "live": cell.live,
            "ticks": list(cell.ticks),
            "verdicts": cell.verdicts.most_common(),
            "causes": Counter(cause for _, cause in losses if cause).most_common(),
            "replicas": [
                [pod or "nobody says", cell.homes[pod], cell.lost_at[pod]]
                for pod in sorted({*cell.homes, *cell.lost_at})
            ],
            "faults": [[f.fault, f.kind, f.at_s, f.said] for f in cell.faults.values()],
            "losses": latest,
        }
