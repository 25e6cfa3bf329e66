"""The readiness probe of one container: asks, and reports every answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from statefall.clusters.local.lifecycle import PROBE_PERIOD_S, PROBE_TIMEOUT_S
from statefall.clusters.local.loopback import Unanswered, request


class Prober:
    """Probes from its start until it is stopped."""

    def __init__(self, address: str, path: str, report: Callable[[bool], None]) -> None:
        self._address, self._path, self._report = address, path, report
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name=f"probes {address}", daemon=True).start()

    def stop(self) -> None:
        """No report begins from now on."""
        self._stopped.set()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopped.wait(max(due - time.monotonic(), 0)):
            due = max(due + PROBE_PERIOD_S, time.monotonic())
            passed = self._passes()
            if not self._stopped.is_set():
                self._report(passed)

    def _passes(self) -> bool:
        try:
            status, _ = request(self._address, "GET", self._path, timeout_s=PROBE_TIMEOUT_S)
        except Unanswered:
            return False
        return 200 <= status < 400  # what Kubernetes counts as success
