"""Runs the load generator as the process it is, and watches how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from statefall.conductor.services import twins
from statefall.load.channel import LoadChannel
from statefall.records.events import Event, SessionStarted, Tick
from statefall.records.load import LoadConfig, Shopper
from statefall.records.verdicts import LoadResult, RequestCounts

E = TypeVar("E")
DEADLINE_S = 120.0
SHOPPING = twins().journey
"""The journey of the twins' shopper."""
BUSY_MACHINE = "CPU usage"
"""Locust's own word on a machine that is too busy; it says nothing of the generator."""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll until it holds; fails after a generous deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE_S:.0f} s in vain until {what}"
        time.sleep(0.02)


def config_for(url: str, *, shoppers: int = 12, **fields: Any) -> LoadConfig:
    """Shoppers who arrive within half a second and hardly think."""
    people = tuple(Shopper(i, 100 + i, i * 0.5 / max(shoppers, 1), 1_000 + i) for i in range(shoppers))
    given: dict[str, Any] = {"think_time_s": 0.05, "timeout_s": 20.0, "journey": SHOPPING, **fields}
    return LoadConfig(cell="c1", target=url, seed=1, shoppers=people, **given)


@dataclass(slots=True)
class Generator:
    """A load generator that runs."""

    process: subprocess.Popen[str]
    errors: Path
    channel: LoadChannel
    events: list[Event] = field(default_factory=list)

    def take_events(self) -> list[Event]:
        """All events so far."""
        self.events += self.channel.events()
        return self.events

    def of_kind(self, kind: type[E]) -> list[E]:
        return [event for event in self.take_events() if isinstance(event, kind)]

    def completed(self) -> int:
        """Requests that completed, by the ticks so far."""
        return sum(event.completed for event in self.of_kind(Tick))

    def logins(self) -> int:
        return len(self.of_kind(SessionStarted))

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def complaints(self) -> str:
        """What it wrote on standard error, without words on how busy the machine is."""
        lines = self.errors.read_text().splitlines()
        return "\n".join(line for line in lines if BUSY_MACHINE not in line)


def command(*more: str) -> list[str]:
    return [sys.executable, "-m", "statefall.load.main", *more]


@contextmanager
def generating(config: LoadConfig, folder: Path, *more: str) -> Iterator[Generator]:
    """A ready load generator; at the end it and its workers are gone, whatever happened."""
    file, errors = folder / "load.json", folder / "errors.txt"
    file.write_bytes(config.to_json())
    with errors.open("w") as stream:
        process = subprocess.Popen(
            command("--config", str(file), *more), stdout=subprocess.PIPE, stderr=stream, text=True
        )
    assert process.stdout is not None
    everybody: list[psutil.Process] = []
    try:
        line = process.stdout.readline()
        assert line, errors.read_text()
        channel = LoadChannel(json.loads(line)["control"])
        try:
            generator = Generator(process, errors, channel)
            channel.wait_ready(DEADLINE_S)
            everybody = generator.workers()
            yield generator
        finally:
            channel.close()
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        finally:
            process.kill()
            process.stdout.close()
    wait_until(lambda: not any(map(alive, everybody)), "the workers are gone")


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def assert_counts_balance(result: LoadResult) -> None:
    """Each request ended in exactly one way, in all and in each phase."""
    for counts in (result.requests, *result.requests_by_phase.values()):
        assert counts.scheduled == counts.completed + counts.failed + counts.dropped + counts.in_flight
        assert counts.failed == sum(counts.failed_by.values())
    parts = [_columns(counts) for counts in result.requests_by_phase.values()]
    assert [sum(column) for column in zip([0] * 5, *parts, strict=True)] == _columns(result.requests)


def _columns(counts: RequestCounts) -> list[int]:
    return [counts.scheduled, counts.completed, counts.failed, counts.dropped, counts.in_flight]
