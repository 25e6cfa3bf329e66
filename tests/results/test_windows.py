"""Gates on a figure of the load in a window."""

from __future__ import annotations

import pytest

from statefall.records.events import PhaseStarted
from statefall.records.faults import FaultKind
from statefall.results.model import GateName, GateResult, Latency
from statefall.results.run_head import Bound, Figure, GateRule, Since, Window
from statefall.results.windows import judge_window
from tests.results.stories import Story

LATENCY = {"baseline": Latency(1.0, 2.0, 3.0, 9.0), "recovery": Latency(1.5, 2.5, 150.0, 900.0)}
BETWEEN_FAULT_AND_RECOVERY = [(11.0, 20, 3), (12.0, 10, 5)]


def story() -> Story:
    """50 requests a second; fewer, and failures, between the kill at 10 s and the recovery at 12 s."""
    told = Story().pods("pod-a", "pod-b")
    for phase, at_s in (("baseline", 5.0), ("fault", 10.0), ("recovery", 15.0)):
        told.add(PhaseStarted, at_s, phase=phase)
    for second in range(1, 21):
        completed, failed = next(((c, f) for at, c, f in BETWEEN_FAULT_AND_RECOVERY if at == second), (50, 0))
        told.tick(float(second), completed=completed, failed=failed)
    return told.fault(FaultKind.KILL, "pod-a")


def judged(window: Window, limit: float, *, told: Story | None = None) -> GateResult:
    rule = GateRule(GateName.FIGURE, limit, window)
    return judge_window(rule, (told or story()).timeline(), LATENCY)


@pytest.mark.parametrize(
    ("window", "limit", "passed", "measured"),
    [
        (Window(Figure.P99_MS, phase="recovery"), 200.0, True, 150.0),
        (Window(Figure.P99_MS, phase="recovery"), 149.0, False, 150.0),
        (Window(Figure.MAX_MS, since=Since.ACT), 4.0, True, 4.0),
        (Window(Figure.THROUGHPUT_PER_S, Bound.AT_LEAST, phase="fault"), 40.0, False, 36.0),
        (Window(Figure.THROUGHPUT_PER_S, Bound.AT_LEAST, phase="recovery"), 50.0, True, 50.0),
        (Window(Figure.THROUGHPUT_PER_S, Bound.AT_LEAST, since=Since.ACT, within_s=2.0), 16.0, False, 15.0),
        (Window(Figure.FAILED, since=Since.ACT), 7.0, False, 8.0),
        (Window(Figure.FAILED, since=Since.RECOVERED), 0.0, True, 0.0),
        (Window(Figure.FAILED, since=Since.OBSERVED, within_s=1.0), 3.0, True, 3.0),
        (Window(Figure.FAILED_SHARE, phase="fault"), 0.05, True, 0.0426),
        (Window(Figure.LIVE_SESSIONS, Bound.AT_LEAST, phase="fault"), 10.0, True, 10.0),
    ],
)
def test_a_figure_is_held_to_its_limit(window: Window, limit: float, passed: bool, measured: float) -> None:
    found = judged(window, limit)
    assert (found.passed, found.measured, found.limit) == (passed, measured, limit)


def test_a_limit_may_be_a_share_of_another_phase() -> None:
    window = Window(Figure.THROUGHPUT_PER_S, Bound.AT_LEAST, phase="fault", of="baseline")
    found = judged(window, 0.95)
    assert (found.passed, found.measured, found.limit) == (False, 36.0, 47.5)
    assert found.note == "throughput_per_s in fault, at least 0.95 of that in baseline: margin -11.5"
    assert judged(window, 0.7).passed


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (Window(Figure.P99_MS, phase="warmup"), "p99_ms: nothing was measured in warmup"),
        (Window(Figure.FAILED, phase="audit"), "failed: nothing was measured in audit"),
        (
            Window(Figure.THROUGHPUT_PER_S, phase="fault", of="audit"),
            "throughput_per_s: nothing was measured in audit",
        ),
    ],
)
def test_no_data_never_passes(window: Window, said: str) -> None:
    found = judged(window, 100.0)
    assert (found.passed, found.applies, found.measured, found.note) == (None, True, None, said)


def test_a_fault_that_did_not_come_to_that_leaves_it_open() -> None:
    told = story()
    told.fault(FaultKind.KILL, "pod-b", fault="f2", act_s=14.0, observed_s=14.1, recovered_s=None)
    window = Window(Figure.FAILED, since=Since.RECOVERED, within_s=15.0)
    found = judged(window, 0.0, told=told)
    assert (found.passed, found.note) == (
        None,
        "failed: nothing was measured in the 15 s after the recovery",
    )
