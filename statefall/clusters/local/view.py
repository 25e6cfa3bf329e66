"""What the controller lets others see, and how they wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from statefall.clusters.local.routing import Route
from statefall.clusters.protocol import ClusterError, Pod


@dataclass(frozen=True, slots=True)
class LocalView:
    """The state of the cluster after some event."""

    pods: tuple[Pod, ...] = ()
    route: Route | None = None
    """What the balancer follows."""
    broken: str = ""
    """Why the cluster can no longer be relied on."""
    hopeless: str = ""
    """Why the deployment will not become ready."""
    mishaps: int = 0
    """Containers that ended without being asked to."""

    def refuse_if_broken(self) -> None:
        """Raises ClusterError."""
        if self.broken:
            raise ClusterError(self.broken)

    def ready_and_routed(self, replicas: int, deployment: str) -> bool:
        """Whether so many pods are ready, no others are, and the balancer sends requests to exactly these."""
        ready = {pod.uid for pod in self.pods if pod.ready}
        if self.route is None or self.route.deployment != deployment:
            return False
        return len(ready) == replicas and {endpoint.uid for endpoint in self.route.endpoints} == ready

    def empty(self) -> bool:
        """Whether no pod is there and the balancer knows of none."""
        return not self.pods and not (self.route and self.route.endpoints)


class Bulletin:
    """The newest view."""

    def __init__(self) -> None:
        self._view = LocalView()
        self._changed = threading.Condition()

    @property
    def view(self) -> LocalView:
        """What is known now."""
        with self._changed:
            return self._view

    def publish(self, **changed: object) -> None:
        """Change these fields of the view."""
        with self._changed:
            self._view = replace(self._view, **changed)  # type: ignore[arg-type]
            self._changed.notify_all()

    def wait_for(self, reached: Callable[[LocalView], bool], timeout_s: float) -> bool:
        """Wait until the view satisfies it; False when it did not in time. Raises ClusterError if broken."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._view.broken) or reached(self._view), timeout_s)
            self._view.refuse_if_broken()
            return reached(self._view)
