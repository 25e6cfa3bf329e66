"""Shoppers in the cluster, for tests that need traffic while something happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from statefall.clusters.protocol import Cluster
from statefall.conductor.services import twins
from statefall.load.channel import LoadChannel
from statefall.load.messages import Mark
from statefall.records.events import Event, SessionStarted, Tick
from statefall.records.load import LoadConfig, Shopper
from statefall.records.verdicts import LoadResult, SessionRecord, Verdict
from tests.kubernetes.timeline import DEADLINE_S

E = TypeVar("E")


@dataclass(slots=True)
class Shoppers:
    """A load generator that runs, all of its shoppers logged in."""

    channel: LoadChannel
    workers: int
    events: list[Event] = field(default_factory=list)

    def of_kind(self, kind: type[E]) -> list[E]:
        self.events += self.channel.events()
        return [event for event in self.events if isinstance(event, kind)]

    def completed(self) -> int:
        """Requests that completed, by the ticks so far."""
        return sum(event.completed for event in self.of_kind(Tick))

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain until {what}"
            time.sleep(0.2)

    def go_on(self, requests: int = 150) -> None:
        """Let so many more requests be answered."""
        before = self.completed()
        self.wait(lambda: self.completed() >= before + requests, "more requests were answered")

    def mark(self, fault: str) -> Mark:
        self.channel.phase("fault")
        return self.channel.mark(fault)

    def finish(self) -> LoadResult:
        """Every session read once more, and the counts."""
        self.channel.phase("audit")
        self.channel.audit()
        return self.channel.finish()


@contextmanager
def shopping(cluster: Cluster, *, shoppers: int = 36, workers: int = 1) -> Iterator[Shoppers]:
    """Shoppers on the running deployment; at the end the load generator is gone."""
    people = tuple(Shopper(i, 1000 + i, i * 3.0 / shoppers, 7 + i) for i in range(shoppers))
    config = LoadConfig(
        cell="test",
        target="",
        seed=7,
        shoppers=people,
        think_time_s=0.4,
        timeout_s=10.0,
        workers=workers,
        journey=twins().journey,
    )
    channel = LoadChannel(cluster.start_load(config))
    try:
        found = Shoppers(channel, channel.wait_ready(60.0))
        channel.phase("warmup")
        channel.start()
        found.wait(lambda: len(found.of_kind(SessionStarted)) >= shoppers, "all shoppers are logged in")
        yield found
    finally:
        channel.close()
        cluster.stop_load()


def marked(result: LoadResult, *verdicts: Verdict) -> list[SessionRecord]:
    """The sessions that were alive at the mark and came to one of these verdicts."""
    return [s for s in result.sessions if s.live_at_mark and s.verdict in verdicts]


def assert_counts_balance(result: LoadResult) -> None:
    counts = result.requests
    assert counts.scheduled == counts.completed + counts.failed + counts.dropped + counts.in_flight
