"""What keeps replicas and store from doing their best while nothing of them ends: readiness, and speed."""

from __future__ import annotations

import threading
from typing import Final

from statefall.clusters.local.lifecycle import PodState
from statefall.clusters.local.processes import Child
from statefall.clusters.protocol import ClusterError

SHARE: Final = 0.2
"""Of the time, for which what is slowed runs."""
PERIOD_S: Final = 0.1
"""As the kernel's own processor quota: cpu.cfs_period_us is 100,000 unless set."""


class StopAndGo:
    """Lets a program and all that it has started run for a part of the time (SIGSTOP, SIGCONT).

    No processor quota of the kernel: that takes rights to a control group which few users have.
    """

    def __init__(self, child: Child) -> None:
        """Raises ClusterError when they do not stand still for once."""
        if not child.suspend():
            raise ClusterError(f"the {child.program.role} does not stand still")
        self._child, self._over = child, threading.Event()
        self._thread = threading.Thread(target=self._run, name="stop and go", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Full speed again; a no-op once they have ended."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        """Until it is over; a program that has ended is told nothing."""
        while not self._over.wait(PERIOD_S * (1 - SHARE)) and not self._child.ended:
            self._child.go_on()
            self._over.wait(PERIOD_S * SHARE)
            self._child.hold()
        self._child.go_on()


class Withheld:
    """Whose readiness probes fail whatever the replica answers."""

    def __init__(self) -> None:
        self._pods: set[str] = set()
        self._revisions: set[str] = set()

    def add_pod(self, uid: str) -> None:
        """Of this pod."""
        self._pods.add(uid)

    def give_back(self, uid: str) -> None:
        """Its probes say again what it answers."""
        self._pods.discard(uid)

    def add_revision(self, revision: str) -> None:
        """Of all pods of this revision, for good."""
        self._revisions.add(revision)

    def keeps(self, pod: PodState) -> bool:
        """Whether the pod's probes are to fail."""
        return pod.uid in self._pods or pod.revision in self._revisions
