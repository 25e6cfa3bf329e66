"""What the surroundings ask a replica: does it live, is it ready, what does it count."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Flask, Response, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from services import contract
from services.metrics import Metrics
from services.refusals import Unavailable

Check = Callable[[], None]
"""Raises Unavailable when what the replica needs does not answer."""


class Probes:
    """The routes of liveness, readiness and metrics."""

    def __init__(self, metrics: Metrics, checks: Mapping[str, Check]) -> None:
        self._metrics = metrics
        self.checks = dict(checks)
        self.draining = False
        """Set when the replica was asked to end: it is alive, and no longer ready."""

    def register(self, app: Flask) -> None:
        """Add the routes."""
        app.add_url_rule(contract.LIVE, "live", self.live)
        app.add_url_rule(contract.READY, "ready", self.ready)
        app.add_url_rule(contract.METRICS, "metrics", self.metrics)

    def live(self) -> ResponseReturnValue:
        """The process answers; that is all a restart could mend."""
        return jsonify(live=True)

    def ready(self) -> ResponseReturnValue:
        """200 when everything that a request needs answers."""
        failing = ["draining"] if self.draining else []
        for name, check in self.checks.items():
            try:
                check()
            except Unavailable:
                failing.append(name)
        return jsonify(ready=not failing, failing=failing), 503 if failing else 200

    def metrics(self) -> ResponseReturnValue:
        """Prometheus text format."""
        return Response(self._metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
