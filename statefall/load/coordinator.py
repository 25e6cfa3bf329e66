"""All load processes together: what the conductor's calls do to them, and what they report.

A worker is the engine of this very process or a process behind Locust's messages; the coordinator treats
both alike. A worker that does not answer is a fault of the generator: it is named, and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol

import gevent
from gevent.lock import RLock

from statefall.ledger.history.writing import shifted
from statefall.load.merge import MAX_LAG_TICKS, TickMerger, merge_marks, merge_results
from statefall.load.messages import HistoryAfter, Mark, Report
from statefall.load.recorder import FIRST_PHASE
from statefall.records.clock import Clock, Instant
from statefall.records.errors import StatefallError
from statefall.records.events import Event
from statefall.records.load import LoadConfig
from statefall.records.verdicts import LoadResult

CALL_LIMIT_S: Final = 5.0
LONG_CALL_LIMIT_S: Final = 28.0


class WorkerLost(StatefallError):
    """A load process did not answer."""


class Worker(Protocol):
    """One load process."""

    name: str
    offset_s: float
    """What to add to a moment of its clock to have it on the coordinator's."""

    def call(self, what: str, argument: Any, timeout_s: float) -> Any:
        """Have its engine do something. Raises WorkerLost."""

    def abandon(self, reason: str) -> None:
        """It is lost: calls that wait for it fail now, and it should end if it still can."""


class Coordinator:
    """The load processes of one cell. Calls come from the control API, reports from the workers."""

    def __init__(self, clock: Clock, expected: int) -> None:
        self._clock = clock
        self._expected = expected
        self._workers: list[Worker] = []
        self._events: list[Event] = []
        self._history: list[str] = []
        self._history_taken = 0
        """How many lines were taken away, and are not kept any more."""
        self._faults: list[str] = []
        self._ticks: TickMerger | None = None
        self._begun: Instant | None = None
        self._result: LoadResult | None = None
        self._phase = FIRST_PHASE
        self._one_at_a_time = RLock()
        self.on_start: Callable[[], None] = lambda: None
        self.on_finish: Callable[[], None] = lambda: None

    @property
    def ready(self) -> bool:
        """Whether all workers are here."""
        return self._begun is not None or len(self._workers) >= self._expected

    @property
    def size(self) -> int:
        """How many workers are here."""
        return len(self._workers)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the workers."""
        return tuple(worker.name for worker in self._workers)

    @property
    def phase_name(self) -> str:
        """The phase that requests belong to now."""
        return self._phase

    @property
    def finished(self) -> bool:
        """Whether the final counts are taken."""
        return self._result is not None

    def join(self, worker: Worker) -> bool:
        """A process is ready; False when it is one too many, or too late."""
        if self.ready:
            return False
        self._workers.append(worker)
        return True

    def lose(self, name: str, reason: str) -> None:
        """A process is gone. Before the start another may take its place; later it is a fault."""
        worker = next((worker for worker in self._workers if worker.name == name), None)
        if worker is None or self._result is not None:
            return
        self._workers.remove(worker)
        worker.abandon(reason)
        if self._begun is not None:
            self.fault(f"load worker {name} was lost: {reason}")
        if self._ticks is not None:
            self._events += self._ticks.drop(name)

    def fault(self, reason: str) -> None:
        """Something went wrong with the load itself."""
        if reason not in self._faults:
            self._faults.append(reason)

    def start(self, config: LoadConfig) -> Instant:
        """Deal the shoppers out and let them arrive. A second call changes nothing."""
        with self._one_at_a_time:
            if self._begun is None:
                self._begun = self._clock()
                for index, worker in enumerate(tuple(self._workers)):
                    share = config.shoppers[index :: len(self._workers)]
                    self._ask(worker, "assign", replace(config, shoppers=share).to_json().decode())
                    self._ask(worker, "phase", self._phase)
                self._ticks = TickMerger(config.cell, (worker.name for worker in self._workers))
                self._begun = self._clock()
                self.on_start()
                for worker in tuple(self._workers):
                    self._ask(worker, "start", self._begun.monotonic_s - worker.offset_s)
            return self._begun

    def phase(self, name: str) -> None:
        """All requests from now on belong to this phase."""
        self._phase = name
        self._ask_all("phase", name)

    def mark(self) -> Mark:
        """The live sessions now; each process counts its own at one moment."""
        return merge_marks(answer for _, answer in self._ask_all("mark"))

    def audit(self) -> None:
        """Have every live session read once more."""
        self._ask_all("audit", limit_s=LONG_CALL_LIMIT_S)

    def finish(self) -> LoadResult:
        """Stop all shoppers and merge what they recorded. A second call returns the same."""
        with self._one_at_a_time:
            if self._result is None:
                answers = self._ask_all("finish", limit_s=LONG_CALL_LIMIT_S)
                if self._ticks is not None:
                    self._events += self._ticks.flush()
                results = [result.shifted(worker.offset_s) for worker, result in answers]
                self._result = merge_results(results, self._faults)
                self.on_finish()
            return self._result

    def events(self, after: int) -> tuple[list[Event], int]:
        """The events from the given position on, and the position after the last."""
        return self._events[after:], len(self._events)

    def history(self, after: int) -> HistoryAfter:
        """The lines from the given position on; those before it are kept no more."""
        del self._history[: max(0, after - self._history_taken)]
        self._history_taken = max(self._history_taken, after)
        return HistoryAfter(tuple(self._history), self._history_taken + len(self._history))

    def receive(self, name: str, report: Report) -> None:
        """Take in what a worker has to tell, on the coordinator's clock."""
        worker = next((worker for worker in self._workers if worker.name == name), None)
        if worker is None:
            return
        self._events += [event.shifted(worker.offset_s) for event in report.events]
        self._history += [shifted(line, worker.offset_s) for line in report.history]
        if report.tick is not None and self._ticks is not None:
            tick = report.tick.shifted(worker.offset_s)
            if self._ticks.late(tick):
                self.fault(
                    f"load worker {name} reported too late: {MAX_LAG_TICKS} ticks or more behind the others"
                )
            self._events += self._ticks.add(name, tick)

    def _ask_all(
        self, what: str, argument: Any = None, limit_s: float = CALL_LIMIT_S
    ) -> list[tuple[Worker, Any]]:
        """What each worker answered; nothing before the start, when none has shoppers."""
        if self._begun is None:
            return []
        if len(self._workers) == 1:
            # Called straight, so that nothing else can happen in between in a process of its own.
            answers = [(self._workers[0], self._ask(self._workers[0], what, argument, limit_s))]
        else:
            asked = [(w, gevent.spawn(self._ask, w, what, argument, limit_s)) for w in tuple(self._workers)]
            gevent.joinall([greenlet for _, greenlet in asked], raise_error=True)
            answers = [(worker, greenlet.value) for worker, greenlet in asked]
        return [(worker, answer) for worker, answer in answers if answer is not None]

    def _ask(self, worker: Worker, what: str, argument: Any, limit_s: float = CALL_LIMIT_S) -> Any:
        try:
            return worker.call(what, argument, limit_s)
        except WorkerLost as error:
            self.lose(worker.name, str(error))
            return None
