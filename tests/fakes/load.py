"""A load generator that is a script: it says what the test wants, when the conductor asks."""

from __future__ import annotations

from dataclasses import dataclass, field

from statefall.load.messages import Mark
from statefall.records.clock import Instant
from statefall.records.events import Event, SessionStarted
from statefall.records.verdicts import LoadResult, RequestCounts
from tests.fakes.clock import VirtualClock
from tests.fakes.script import Script

NO_LOAD = LoadResult(RequestCounts(), {}, 0, (), {}, {}, ())


@dataclass(slots=True)
class FakeLoad:
    """A `statefall.load.channel.LoadControl`."""

    clock: VirtualClock
    script: Script = field(default_factory=Script)
    result: LoadResult = NO_LOAD
    stalled: tuple[float, float] = (0.0, 0.0)
    """From when to when, on the clock, `stalls` are not answered; who calls then waits for the end."""
    stalls: tuple[str, ...] = ("events",)
    closed: bool = False
    cell: str = ""
    _phase: str = ""

    def wait_ready(self, timeout_s: float = 30.0) -> int:
        self.script.call("wait_ready")
        return 1

    def start(self) -> Instant:
        self.script.call("start")
        return self.clock()

    def phase(self, phase: str) -> None:
        self.script.call("phase", phase)
        self._wait_out("phase")
        self._phase = phase

    def mark(self, fault: str) -> Mark:
        self.script.call("mark", fault)
        return Mark(12, {"pod-1/container-1.0": 12})

    def events(self) -> list[Event]:
        """One event with each poll: that of a session that began."""
        self.script.call("events", self._phase)
        self._wait_out("events")
        started = SessionStarted(
            at=self.clock(),
            cell=self.cell,
            session="1.1",
            shopper=1,
            user_id=7,
            pod="pod-1",
            boot="container-1.0",
        )
        return [started]

    def history(self) -> tuple[str, ...]:
        return ()

    def audit(self, timeout_s: float = 30.0) -> None:
        self.script.call("audit")

    def finish(self, timeout_s: float = 30.0) -> LoadResult:
        self.script.call("finish")
        return self.result

    def close(self) -> None:
        self.script.call("close_channel")
        self.closed = True

    def _wait_out(self, call: str) -> None:
        if call in self.stalls:
            self.clock.wait_out(self.stalled)
