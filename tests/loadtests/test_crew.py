"""What a crew makes of its load processes' reports."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from foundation.clock import system_clock
from foundation.verdicts import LoadResult
from loadtests.config import LoadConfig
from loadtests.crew import Crew
from loadtests.engine import Report
from loadtests.merge import PATIENCE_TICKS
from tests.loadtests.test_recorder import result_of, tick


class Process:
    """A load process that does what it is asked."""

    offset_s = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    def call(self, what: str, argument: Any, timeout_s: float) -> Any:
        return asdict(result_of([], self.name)) if what == "finish" else True

    def abandon(self, reason: str) -> None:
        raise AssertionError(f"{self.name} was given up: {reason}")


def begun(*names: str) -> Crew:
    crew = Crew(system_clock, expected=len(names))
    for name in names:
        assert crew.join(Process(name))
    crew.start(LoadConfig(cell="c1", target="http://127.0.0.1:9", seed=1, shoppers=()))
    return crew


def report(number: int) -> Report:
    return {"events": [], "tick": tick(number, [])}


def after(*, late_by: int) -> LoadResult:
    """What is left of a load whose process `b` reports so many ticks after `a`, all of them in the end."""
    crew = begun("a", "b")
    last = 2 * PATIENCE_TICKS
    for number in range(1, last + late_by + 1):
        if number <= last:
            crew.receive("a", report(number))
        if number > late_by:
            crew.receive("b", report(number - late_by))
    return crew.finish()


def test_a_process_that_reports_a_little_late_is_waited_for() -> None:
    assert after(late_by=PATIENCE_TICKS - 1).generator_faults == ()


def test_one_that_reports_too_late_to_be_counted_is_the_generators_fault_and_named_once() -> None:
    (fault,) = after(late_by=PATIENCE_TICKS).generator_faults
    assert fault.startswith("load worker b reported too late")
