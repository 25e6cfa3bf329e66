"""One replica of a service: its parts, in the order in which they open, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from services.database import Database
from services.metrics import Metrics
from services.probes import Check, Probes
from services.settings import Settings, SettingsError
from services.shop.catalogue import Catalogue
from services.store import Store
from services.web import make_app


class Part(Protocol):
    """Something with threads or connections: opened after the fork, closed after the last answer."""

    def open(self) -> None:
        """Begin to work; does not wait."""

    def close(self) -> None:
        """End for good."""


class Replica:
    """What both twins are made of; a twin adds its routes to `app` and its parts to `parts`."""

    def __init__(
        self, settings: Settings, checks: Mapping[str, Check] | None = None, *, websockets: int = 0
    ) -> None:
        """`websockets`: how many may be open. Their threads use the store as those of requests do."""
        self.settings = settings
        self.metrics = Metrics(settings.pod, settings.boot)
        self.database = Database(settings.database_url, connections=settings.threads)
        self.store = _store(settings, self.metrics, settings.threads + websockets)
        self.catalogue = Catalogue(self.database)
        self.app = make_app(settings, self.metrics)
        self.parts: list[Part] = [self.database, self.store]
        self.on_drain: list[Callable[[], None]] = []
        """Called first when the replica is asked to end, in a signal handler: may take no lock."""
        self._probes = Probes(self.metrics, {"database": self.database.check, **(checks or {})})
        self._probes.register(self.app)

    def ready_when(self, name: str, check: Check) -> None:
        """One more thing that the replica needs to be ready."""
        self._probes.checks[name] = check

    def open(self) -> None:
        """Open the parts, first to last."""
        for part in self.parts:
            part.open()

    def drain(self) -> None:
        """Called when the replica is asked to end: requests are still answered, readiness is not.

        It may run inside a signal handler, so it takes no lock.
        """
        self._probes.draining = True
        for tell in self.on_drain:
            tell()

    def close(self) -> None:
        """Close the parts, last to first. A part that fails to close does not keep the others open."""
        for part in reversed(self.parts):
            try:
                part.close()
            except Exception:
                self.app.logger.exception("closing %s", type(part).__name__)


def _store(settings: Settings, metrics: Metrics, connections: int) -> Store:
    try:
        return Store(settings.store_url, metrics, connections=connections, replicas=settings.store_replicas)
    except ValueError as error:
        raise SettingsError(f"STATEFALL_STORE_URL: {error}") from None
