"""The control API that `channel` speaks to, as a Flask blueprint beside Locust's own page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from foundation.clock import Clock
from foundation.errors import InputError
from loadtests import channel
from loadtests.config import LoadConfig
from loadtests.crew import Crew
from loadtests.exposition import Exposition

NO_FAULT = "none"
"""What a cell without faults marks."""


def control(crew: Crew, config: LoadConfig, clock: Clock) -> Blueprint:
    """The routes of the control API over this crew."""
    blueprint = Blueprint("statefall", __name__)
    exposition = Exposition(crew.events, lambda: crew.size, lambda: crew.phase_name)

    def route(path: str, method: str, view: Callable[[], Any]) -> None:
        def answer() -> ResponseReturnValue:
            try:
                return jsonify(view())
            except InputError as error:
                return jsonify(error=str(error)), 400

        blueprint.add_url_rule(f"/{path}", path, answer, methods=[method])

    def ready() -> ResponseReturnValue:
        told = {"ready": crew.ready, "workers": crew.size, **clock().record()}
        return jsonify(told), 200 if crew.ready else 503  # a probe reads the status alone

    def phase() -> dict[str, Any]:
        crew.phase(_field("phase"))
        return {}

    def mark() -> dict[str, Any]:
        if _field("fault") != NO_FAULT:
            exposition.fault()
        return crew.mark()

    def events() -> dict[str, Any]:
        after = request.args.get("after", "0")
        if not after.isdecimal():
            raise InputError("must be a number of events", where="after")
        found, following = crew.events(int(after))
        return {"events": found, "next": following}

    def audit() -> dict[str, Any]:
        crew.audit()
        return {}

    route(channel.LIVE, "GET", dict)
    blueprint.add_url_rule(f"/{channel.READY}", channel.READY, ready)
    route(channel.START, "POST", lambda: crew.start(config).record())
    route(channel.PHASE, "POST", phase)
    route(channel.MARK, "POST", mark)
    route(channel.EVENTS, "GET", events)
    route(channel.AUDIT, "POST", audit)
    route(channel.FINISH, "POST", lambda: asdict(crew.finish()))
    blueprint.add_url_rule(
        "/metrics", "metrics", lambda: Response(exposition.text(), content_type=CONTENT_TYPE_LATEST)
    )
    return blueprint


def _field(name: str) -> str:
    body = request.get_json(silent=True)
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str):
        raise InputError("the body must hold this text", where=name)
    return value
