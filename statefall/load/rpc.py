"""The RPC between coordinator and workers: to the engine of this process, or over Locust's messages.

Worker and master speak over Locust's own connection in four kinds of messages: a worker says
`hello`, the master sends a `call` and gets an `answer`, and the worker sends a `report` whenever it
has something to tell. Moments are on the sender's clock; the master measures each worker's offset.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import gevent
from gevent.event import AsyncResult

from statefall.codec import Codec
from statefall.load.coordinator import Coordinator, WorkerLost
from statefall.load.engine import Engine
from statefall.load.messages import CLOCK_S, DONE, MARKED, REPORTED, RESULT, Mark, Report
from statefall.records.errors import InputError, StatefallError
from statefall.records.load import LoadConfig
from statefall.records.verdicts import LoadResult

HELLO: Final = "statefall_hello"
CALL: Final = "statefall_call"
ANSWER: Final = "statefall_answer"
REPORT: Final = "statefall_report"

PINGS: Final = 5
HELLO_LIMIT_S: Final = 5.0

ANSWERS: Final[Mapping[str, Codec[Any]]] = {"clock": CLOCK_S, "finish": RESULT, "mark": MARKED}
"""What a worker answers, where it is more than that it has been done."""


def obey(engine: Engine, what: str, argument: Any) -> float | LoadResult | Mark | bool:
    """Do what a coordinator asks of a load process."""
    if what == "clock":
        return engine.clock().monotonic_s
    if what == "finish":
        return engine.finish()
    if what == "mark":
        return engine.mark()
    if what == "assign":
        engine.assign(LoadConfig.from_json(argument.encode()))
    elif what == "start":
        engine.start(argument)
    elif what == "phase":
        engine.phase(argument)
    elif what == "audit":
        engine.audit()
    else:
        raise StatefallError(f"a load process cannot {what!r}")
    return True


class InProcessWorker:
    """The engine of this very process."""

    offset_s = 0.0

    def __init__(self, engine: Engine) -> None:
        self.name = "local"
        self._engine = engine

    def call(self, what: str, argument: Any, timeout_s: float) -> Any:
        """As `Worker.call`; the engine keeps its own limits of time."""
        return obey(self._engine, what, argument)

    def abandon(self, reason: str) -> None:
        """As `Worker.abandon`; it cannot be lost while the coordinator lives."""


class CoordinatorEnd:
    """The master's end: introduces workers to the coordinator, carries calls to them and reports back."""

    def __init__(self, runner: Any, coordinator: Coordinator) -> None:
        self._runner = runner
        self._coordinator = coordinator
        self._calls: dict[int, tuple[str, AsyncResult[Any]]] = {}
        self._last_call = 0
        self.pids: dict[str, int] = {}
        """The process of each worker, on its own machine."""
        runner.register_message(HELLO, self._hello, concurrent=True)
        runner.register_message(ANSWER, self._answer)
        runner.register_message(REPORT, self._report)

    def ask(self, worker: str, what: str, argument: Any, timeout_s: float) -> Any:
        """Have a worker do something and wait for its answer. Raises WorkerLost."""
        self._last_call += 1
        number = self._last_call
        answer: AsyncResult[Any] = AsyncResult()
        self._calls[number] = (worker, answer)
        try:
            self._runner.send_message(CALL, {"number": number, "what": what, "argument": argument}, worker)
            document: Any = answer.get(timeout=timeout_s)
        except gevent.Timeout:
            raise WorkerLost(f"no answer to {what!r} within {timeout_s:.0f} s") from None
        finally:
            del self._calls[number]
        if "error" in document:
            raise WorkerLost(f"{what}: {document['error']}")
        try:
            return ANSWERS.get(what, DONE).decode(document["value"], where=f"its answer to {what!r}")
        except InputError as error:
            raise WorkerLost(str(error)) from error

    def abandon(self, worker: str, reason: str) -> None:
        """Fail the calls that wait for this worker, and tell it to quit should it hear that."""
        for called, answer in self._calls.values():
            if called == worker:
                answer.set({"error": reason})
        if worker in self._runner.clients:
            self._runner.send_message("quit", client_id=worker)

    def _hello(self, environment: Any, msg: Any) -> None:
        worker = RemoteWorker(msg.node_id, self)
        self.pids[worker.name] = msg.data["pid"]
        try:
            worker.measure_offset()
        except WorkerLost:
            return  # it never joined, so nothing is lost
        if not self._coordinator.join(worker):
            self._coordinator.fault(f"load worker {worker.name} came when no more were expected")

    def _answer(self, environment: Any, msg: Any) -> None:
        waiting = self._calls.get(msg.data["number"])
        if waiting is not None:
            waiting[1].set(msg.data)

    def _report(self, environment: Any, msg: Any) -> None:
        try:
            self._coordinator.receive(
                msg.node_id, REPORTED.decode(msg.data, where=f"report of {msg.node_id}")
            )
        except InputError as error:
            self._coordinator.fault(str(error))


class RemoteWorker:
    """A worker process, on this machine or another."""

    def __init__(self, name: str, coordinator_end: CoordinatorEnd) -> None:
        self.name = name
        self.offset_s = 0.0
        self._coordinator_end = coordinator_end

    def measure_offset(self) -> None:
        """Learn the offset of its clock from the quickest of a few exchanges. Raises WorkerLost."""
        best_s = float("inf")
        for _ in range(PINGS):
            before = time.monotonic()
            theirs = float(self.call("clock", None, HELLO_LIMIT_S))
            after = time.monotonic()
            if after - before < best_s:
                best_s = after - before
                offset = (before + after) / 2 - theirs
                # On one machine both read the same clock: what is left then is the exchange itself.
                self.offset_s = 0.0 if abs(offset) <= best_s else offset

    def call(self, what: str, argument: Any, timeout_s: float) -> Any:
        """As `Worker.call`."""
        return self._coordinator_end.ask(self.name, what, argument, timeout_s)

    def abandon(self, reason: str) -> None:
        """As `Worker.abandon`."""
        self._coordinator_end.abandon(self.name, reason)


class WorkerEnd:
    """The worker's end: does what the coordinator calls for, and answers."""

    def __init__(self, runner: Any, engine: Engine) -> None:
        self._runner = runner
        self._engine = engine
        runner.register_message(CALL, self._call, concurrent=True)

    def say_hello(self) -> None:
        """Tell the master that calls are welcome."""
        self._runner.send_message(HELLO, {"pid": os.getpid()})

    def _call(self, environment: Any, msg: Any) -> None:
        number, what = msg.data["number"], msg.data["what"]
        try:
            value = obey(self._engine, what, msg.data["argument"])
            answer = {"number": number, "value": ANSWERS.get(what, DONE).encode(value)}
        except StatefallError as error:
            answer = {"number": number, "error": str(error)}
        self._runner.send_message(ANSWER, answer)


def reporting(runner: Callable[[], Any]) -> Callable[[Report], None]:
    """A worker engine's way to tell the master; the runner is made after the engine."""
    return lambda report: runner().send_message(REPORT, REPORTED.encode(report))
