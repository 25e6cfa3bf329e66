"""Waits for what a cluster reports, instead of sleeping and hoping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psutil

from statefall.clusters.local import LocalCluster
from statefall.clusters.local.identity import environment_of, runs
from statefall.clusters.local.processes import MARKER
from statefall.clusters.protocol import Pod, PodTransition, Transition

DEADLINE_S = 90.0
"""Far beyond what anything takes: the machine may be busy with other things."""


class Watch:
    """Everything that a cluster has reported since this was made."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.seen: list[PodTransition] = []
        self._changed = threading.Condition()
        self.end = cluster.subscribe(self._note)

    def _note(self, transition: PodTransition) -> None:
        with self._changed:
            self.seen.append(transition)
            self._changed.notify_all()

    def of(self, pod: Pod) -> list[PodTransition]:
        """What happened to this pod so far."""
        with self._changed:
            return [seen for seen in self.seen if seen.pod.uid == pod.uid]

    def message(self, pod: Pod) -> list[str]:
        """The same in words: `ready`, `endpoints fenced`, `container_exited signal 9`."""
        return [f"{seen.transition} {seen.detail}".strip() for seen in self.of(pod)]

    def wait(self, holds: Callable[[PodTransition], bool], times: int = 1) -> PodTransition:
        """The first transition (or the n-th) for which it holds, when it has come."""
        with self._changed:
            self._changed.wait_for(lambda: sum(map(holds, self.seen)) >= times, DEADLINE_S)
            found = [seen for seen in self.seen if holds(seen)]
            assert len(found) >= times, [f"{s.pod.name} {s.transition} {s.detail}" for s in self.seen]
            return found[times - 1]

    def until(self, pod: Pod, transition: Transition, detail: str = "", times: int = 1) -> PodTransition:
        """When this has happened to this pod (so often)."""
        return self.wait(
            lambda seen: (
                seen.pod.uid == pod.uid
                and seen.transition is transition
                and (not detail or seen.detail == detail)
            ),
            times,
        )


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether no such process runs."""
    return not runs(pid)


def processes_of(run_key: str) -> list[int]:
    """Processes that carry the key of this run; PostgreSQL writes its title over its environment."""
    return [pid for pid in psutil.pids() if environment_of(pid).get(MARKER) == run_key and runs(pid)]
