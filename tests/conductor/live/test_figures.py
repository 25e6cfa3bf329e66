"""What the live page shows is what the events say."""

from __future__ import annotations

import json

from statefall.conductor.live import LiveFigures
from statefall.conductor.live.figures import MOST_TICKS, SHOWN_LOSSES
from statefall.records.cells import PlannedCell
from statefall.records.faults import FaultKind
from statefall.records.terms import Balancer, StateDesign
from statefall.records.verdicts import Verdict
from tests.results.stories import CELL, Story


def told(story: Story) -> LiveFigures:
    """The figures after these events."""
    figures = LiveFigures("a run")
    cell = PlannedCell(
        name=CELL, service="stateful", state=StateDesign.MEMORY, balancer=Balancer.STICKY, replicas=2
    )
    figures.cell(cell, "cell 1/1: stateful")
    for event in sorted(story.events, key=lambda each: each.at_s):
        figures.event(event)
    return figures


def killed(*, losses: int = 2) -> Story:
    """A replica that was killed with sessions on it."""
    story = Story().pods("pod-a", "pod-b").tick(1.0)
    story.fault(FaultKind.KILL, "pod-a")
    for number in range(losses):
        story.loss("pod-a", "pod-a1", 12.0 + number, ("pod-b", "pod-b1"), session=f"{number}.1")
    return story.tick(20.0, failed=5)


def test_a_loss_is_shown_with_verdict_cause_and_home() -> None:
    cell = told(killed()).document()["cell"]
    assert (cell["verdicts"], cell["causes"]) == ([("lost", 2)], [("pod killed", 2)])
    assert ["pod-a", 0, 2] in cell["replicas"]
    assert [(loss["home"], loss["cause"]) for loss in cell["losses"]] == [("pod-a", "pod killed")] * 2
    assert cell["losses"][0]["at"] > cell["losses"][1]["at"], "the latest stands first"
    ((name, kind, at_s, said),) = cell["faults"]
    assert (name, kind) == ("f1", "kill")
    assert said.endswith("replicas ready again")
    assert at_s == round(10.0 + 5.0, 1), "since the cell's first event"


def test_what_is_no_loss_has_no_cause() -> None:
    story = killed(losses=1)
    story.loss("pod-b", "pod-b1", 13.0, ("pod-a", "pod-a1"), session="9.1", verdict=Verdict.MISROUTED)
    cell = told(story).document()["cell"]
    assert sorted(cell["verdicts"]) == [("lost", 1), ("misrouted", 1)]
    assert cell["causes"] == [("pod killed", 1)]


def test_a_tick_is_told_in_figures_a_second() -> None:
    cell = told(killed()).document()["cell"]
    first, last = cell["ticks"]
    assert (first[1:], last[1:]) == ([50.0, 0.0, 10, 0], [50.0, 5.0, 10, 0])


def test_it_stays_small_and_is_plain_data() -> None:
    story = killed(losses=100)
    for number in range(MOST_TICKS + 10):
        story.tick(200.0 + number)
    document = told(story).document()
    assert len(document["cell"]["ticks"]) == MOST_TICKS
    assert len(document["cell"]["losses"]) == SHOWN_LOSSES
    assert document["cell"]["verdicts"] == [("lost", 100)]
    json.dumps(document, allow_nan=False)


def test_what_has_ended_stays_in_one_line() -> None:
    figures = told(killed())
    figures.end("/somewhere/report.html")
    document = figures.document()
    assert document["ended"] == [{"title": "cell 1/1: stateful", "found": 2, "causes": "2 pod killed"}]
    assert (document["over"], document["cell"], document["report"]) == (True, None, "/somewhere/report.html")
