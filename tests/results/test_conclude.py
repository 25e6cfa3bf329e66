"""What is left of a run when it has been judged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from statefall.codec import read_event
from statefall.records.events import CellEvent, Event, SessionLost
from statefall.results.conclude import conclude
from statefall.results.reading import read_timeline
from statefall.results.record import FINDINGS
from statefall.results.stored import parse_events
from statefall.results.timeline import CellTimeline
from tests.results.simulation import simulate


def test_every_finding_is_left_with_its_cause(tmp_path: Path) -> None:
    run = simulate()
    folder = run.record(tmp_path)
    summary = conclude(folder)
    lines = (folder / FINDINGS).read_text().splitlines()
    lost = [event for event in run.events if isinstance(event, SessionLost)]
    assert Counter(map(read_event, lines)) == Counter(lost)
    causes = Counter(
        (found["cell"], found["phase"], found["cause"])
        for found in map(json.loads, lines)
        if found["verdict"] == "lost"
    )
    assert causes == Counter(
        {
            (cell.name, phase, cause.value): count
            for cell in summary.cells
            for phase, sessions in cell.sessions_by_phase.items()
            for cause, count in sessions.causes.items()
        }
    )


def test_events_are_parsed_once_and_each_timeline_is_built_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def parsing(text: str, *, where: str) -> tuple[Event, ...]:
        calls["parsed"] += 1
        return parse_events(text, where=where)

    def reading(name: str, events: Sequence[CellEvent]) -> CellTimeline:
        calls[name] += 1
        return read_timeline(name, events)

    monkeypatch.setattr("statefall.results.stored.parse_events", parsing)
    monkeypatch.setattr("statefall.results.judge.read_timeline", reading)
    run = simulate()
    conclude(run.record(tmp_path))
    assert calls == {"parsed": 1, **{cell.name: 1 for cell in run.plan.cells}}
