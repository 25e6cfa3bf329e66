"""The replicas' own figures, asked for beside the phases of a cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from statefall.clusters.protocol import ClusterError, Pod
from statefall.conductor.aside import Aside
from statefall.records.clock import SleepingClock
from statefall.records.events import PodScraped
from statefall.service.scrape import parse

LOOK_S = 0.01
"""Between two looks at whether an awaited answer has come."""


@dataclass(slots=True)
class Scraping:
    """The scrapes of one cell: begun and collected on the conductor's thread, made beside it."""

    cell: str
    metrics: Callable[[Pod], str]
    clock: SleepingClock
    aside: Aside
    _under_way: list[tuple[str, Future[PodScraped | None]]] = field(default_factory=list)
    """With the UID of each pod."""

    def ask_idle(self, pods: Iterable[Pod]) -> None:
        """Ask those of these pods that serve, and owe no answer already."""
        owing = {uid for uid, _ in self._under_way}
        self.ask(pod for pod in pods if pod.uid not in owing)

    def ask(self, pods: Iterable[Pod]) -> list[Future[PodScraped | None]]:
        """Ask those of these pods that serve, whatever else they are being asked."""
        asked = [(pod.uid, self.aside.ask(partial(self._scrape, pod))) for pod in pods if pod.serving]
        self._under_way += asked
        return [answer for _, answer in asked]

    def answers(self) -> list[PodScraped]:
        """The figures that have come since the last call, in the order of being asked for."""
        done = [answer for _, answer in self._under_way if answer.done()]
        self._under_way = [(uid, answer) for uid, answer in self._under_way if answer not in done]
        return [figures for answer in done if (figures := answer.result()) is not None]

    def ask_now(self, pods: Iterable[Pod], limit_s: float) -> list[PodScraped]:
        """Ask, and wait for the answers for so long at most; one that comes later is among later ones."""
        asked = self.ask(pods)
        deadline_s = self.clock().monotonic_s + limit_s
        while not all(answer.done() for answer in asked) and self.clock().monotonic_s < deadline_s:
            self.clock.sleep(LOOK_S)
        return self.answers()

    def _scrape(self, pod: Pod) -> PodScraped | None:
        try:
            metrics = parse(self.metrics(pod))
        except (ClusterError, ValueError):
            # A pod that is dying does not answer; its last figures stand, and its end is on record.
            return None
        return metrics.event(self.clock(), cell=self.cell, pod=pod.name, uid=pod.uid)
