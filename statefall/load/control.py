"""The control API that `channel` speaks to, as a Flask blueprint beside Locust's own page."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from statefall.load import channel
from statefall.load.coordinator import Coordinator
from statefall.load.exposition import Exposition
from statefall.load.messages import (
    EVENTS_AFTER,
    HISTORY_AFTER,
    INSTANT,
    MARKED,
    READINESS,
    RESULT,
    EventsAfter,
    Readiness,
)
from statefall.records.clock import Clock
from statefall.records.errors import InputError
from statefall.records.load import LoadConfig

NO_FAULT = "none"
"""What a cell without faults marks."""
NOTHING = "{}"
LOCUSTS_START = "/swarm"
"""What the button of Locust's page asks for; it answers an error with status 200 and `success` false."""


def control(coordinator: Coordinator, config: LoadConfig, clock: Clock) -> Blueprint:
    """The routes of the control API over this coordinator."""
    blueprint = Blueprint("statefall", __name__)
    exposition = Exposition(coordinator.events, lambda: coordinator.size, lambda: coordinator.phase_name)

    def route(path: str, method: str, view: Callable[[], str]) -> None:
        def answer() -> ResponseReturnValue:
            try:
                return _json(view())
            except InputError as error:
                return jsonify(error=str(error)), 400

        blueprint.add_url_rule(f"/{path}", path, answer, methods=[method])

    def ready() -> ResponseReturnValue:
        now = clock()
        told = Readiness(coordinator.ready, coordinator.size, now.monotonic_s, now.wall_s)
        # A probe reads the status alone.
        return _json(READINESS.encode(told)), 200 if told.ready else 503

    def phase() -> str:
        coordinator.phase(_field("phase"))
        return NOTHING

    def mark() -> str:
        if _field("fault") != NO_FAULT:
            exposition.fault()
        return MARKED.encode(coordinator.mark())

    def events() -> str:
        found, following = coordinator.events(_place())
        return EVENTS_AFTER.encode(EventsAfter(tuple(found), following))

    def history() -> str:
        return HISTORY_AFTER.encode(coordinator.history(_place()))

    def audit() -> str:
        coordinator.audit()
        return NOTHING

    def no_start() -> ResponseReturnValue | None:
        """Locust's page would say that users swarm, and none would: the run starts them."""
        if (request.method, request.path) != ("POST", LOCUSTS_START):
            return None
        message = "nothing was started: the run starts and ends its shoppers"
        return jsonify(success=False, message=message, host=config.target)

    blueprint.before_app_request(no_start)
    route(channel.LIVE, "GET", lambda: NOTHING)
    blueprint.add_url_rule(f"/{channel.READY}", channel.READY, ready)
    route(channel.START, "POST", lambda: INSTANT.encode(coordinator.start(config)))
    route(channel.PHASE, "POST", phase)
    route(channel.MARK, "POST", mark)
    route(channel.EVENTS, "GET", events)
    route(channel.HISTORY, "GET", history)
    route(channel.AUDIT, "POST", audit)
    route(channel.FINISH, "POST", lambda: RESULT.encode(coordinator.finish()))
    blueprint.add_url_rule(
        "/metrics", "metrics", lambda: Response(exposition.text(), content_type=CONTENT_TYPE_LATEST)
    )
    return blueprint


def _json(document: str) -> Response:
    return Response(document, content_type="application/json")


def _place() -> int:
    after = request.args.get("after", "0")
    if not after.isdecimal():
        raise InputError("must be a number of events or lines", where="after")
    return int(after)


def _field(name: str) -> str:
    body = request.get_json(silent=True)
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str):
        raise InputError("the body must hold this text", where=name)
    return value
