"""Which pod has which address: where the balancer's log says who answered, the load knows addresses alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from statefall.clusters.protocol import PodTransition
from statefall.load.messages import Mark
from statefall.records.events import Event, Replica, SessionLost, SessionStarted
from statefall.records.verdicts import LoadResult

R = TypeVar("R", bound=Replica)


@dataclass(slots=True)
class Addresses:
    """The pods of a cell by their addresses. An address that no pod had stays as it is."""

    _pods: dict[str, str] = field(default_factory=dict)
    _at_mark: dict[str, str] | None = None
    """As they were at the first mark: a successor may get the address of the dead."""

    def learn(self, transition: PodTransition) -> None:
        """A pod was seen."""
        self._pods[transition.pod.address] = transition.pod.name

    def in_event(self, event: Event) -> Event:
        """The event with pods in place of their addresses."""
        if isinstance(event, SessionStarted):
            return replace(event, pod=self._pod(event.pod))
        if isinstance(event, SessionLost):
            answered_by = tuple(self._named(replica) for replica in event.answered_by)
            return replace(event, home=self._named(event.home), answered_by=answered_by)
        return event

    def in_mark(self, mark: Mark) -> Mark:
        """The mark with pods in place of their addresses."""
        if self._at_mark is None:
            self._at_mark = dict(self._pods)
        return replace(mark, by_boot={self._of_boot(key): count for key, count in mark.by_boot.items()})

    def in_result(self, result: LoadResult) -> LoadResult:
        """The counts with pods in place of their addresses."""
        known = self._pods if self._at_mark is None else {**self._pods, **self._at_mark}
        sessions = tuple(
            replace(each, pod=(known if each.live_at_mark else self._pods).get(each.pod, each.pod))
            for each in result.sessions
        )
        told = {self._of_boot(key): causes for key, causes in result.told_lost.items()}
        return replace(result, sessions=sessions, told_lost=told)

    def _pod(self, address: str) -> str:
        return self._pods.get(address, address)

    def _of_boot(self, key: str) -> str:
        address, slash, boot = key.rpartition("/")
        return f"{self._pod(address)}{slash}{boot}"

    def _named(self, replica: R) -> R:
        return replace(replica, pod=self._pod(replica.pod))
