"""What a coordinator makes of its load processes' reports."""

from __future__ import annotations

from typing import Any

from statefall.load.coordinator import Coordinator
from statefall.load.merge import MAX_LAG_TICKS
from statefall.load.messages import Report
from statefall.records.clock import system_clock
from statefall.records.load import LoadConfig
from statefall.records.verdicts import LoadResult
from tests.load.test_recorder import result_of, tick


class Process:
    """A load process that does what it is asked."""

    offset_s = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    def call(self, what: str, argument: Any, timeout_s: float) -> Any:
        return result_of([], self.name) if what == "finish" else True

    def abandon(self, reason: str) -> None:
        raise AssertionError(f"{self.name} was given up: {reason}")


def begun(*names: str) -> Coordinator:
    coordinator = Coordinator(system_clock, expected=len(names))
    for name in names:
        assert coordinator.join(Process(name))
    coordinator.start(LoadConfig(cell="c1", target="http://127.0.0.1:9", seed=1, shoppers=()))
    return coordinator


def report(number: int) -> Report:
    return Report(tick=tick(number, []))


def after(*, late_by: int) -> LoadResult:
    """What is left of a load whose process `b` reports so many ticks after `a`, all of them in the end."""
    coordinator = begun("a", "b")
    last = 2 * MAX_LAG_TICKS
    for number in range(1, last + late_by + 1):
        if number <= last:
            coordinator.receive("a", report(number))
        if number > late_by:
            coordinator.receive("b", report(number - late_by))
    return coordinator.finish()


def test_a_process_that_reports_a_little_late_is_waited_for() -> None:
    assert after(late_by=MAX_LAG_TICKS - 1).generator_faults == ()


def test_one_that_reports_too_late_to_be_counted_is_the_generators_fault_and_named_once() -> None:
    (fault,) = after(late_by=MAX_LAG_TICKS).generator_faults
    assert fault.startswith("load worker b reported too late")
