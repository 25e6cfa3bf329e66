"""What every route of both twins shares: identity headers, JSON errors, limits, counting.

A request is counted when it arrives and when it is answered; an answer never carries more of an
exception than the text of a `Refusal`.
"""

from __future__ import annotations

import math
import time
from typing import Any, Final, TypeVar

from flask import Flask, Response, current_app, g, jsonify, make_response, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from services import contract, timeout_budget
from services.contract import ErrorCode, SessionStatus
from services.metrics import MAX_OPERATION_CHARS, Metrics
from services.refusals import BadRequest, Refusal
from services.settings import Settings

MAX_BODY_BYTES: Final = 64 * 1024

_Body = TypeVar("_Body", bound=BaseModel)


def make_app(settings: Settings, metrics: Metrics) -> Flask:
    """A Flask application with the shared behaviour and no routes yet."""
    app = Flask("statefall", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    if settings.trusted_proxies:
        # Only so many entries of X-Forwarded-For were written by us; what stands before them is hearsay.
        proxy = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0, x_host=0)
        app.wsgi_app = proxy  # type: ignore[method-assign]

    def arrive() -> None:
        timeout_budget.begin()
        g.begin = time.perf_counter()
        g.outcome = "ok"
        operation = request.headers.get(contract.OPERATION_HEADER)
        if operation:
            if len(operation) > MAX_OPERATION_CHARS:
                raise BadRequest(
                    f"{contract.OPERATION_HEADER} is longer than {MAX_OPERATION_CHARS} characters"
                )
            metrics.operation(operation)

    def leave(response: Response) -> Response:
        response.headers[contract.POD_HEADER] = settings.pod
        response.headers[contract.BOOT_HEADER] = settings.boot
        if "session_status" in g:
            response.headers[contract.SESSION_HEADER] = g.session_status
        if "session_version" in g:
            response.headers[contract.VERSION_HEADER] = str(g.session_version)
        response.headers["Cache-Control"] = "no-store"
        route = request.url_rule.rule if request.url_rule else "unmatched"
        metrics.requests.labels(route, g.outcome).inc()
        metrics.request_seconds.labels(route).observe(time.perf_counter() - g.begin)
        return response

    app.before_request(arrive)
    app.after_request(leave)
    app.teardown_request(lambda _: timeout_budget.end())
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _internal_error)
    return app


def know_session(status: SessionStatus, version: int | None = None) -> None:
    """Say on this request's answer what became of its session, and how many writes it holds, if known."""
    g.session_status = status
    if version is not None:
        g.session_version = version


def operation() -> str:
    """The name of this request's operation, empty where it has no id.

    The route belongs to it: the same id on another route is another operation.
    """
    given = request.headers.get(contract.OPERATION_HEADER)
    return f"{request.method} {request.path} {given}" if given else ""


def body(model: type[_Body]) -> _Body:
    """The request's JSON body. Raises BadRequest that names the field and never repeats its value."""
    document = request.get_data(cache=False)
    if request.content_length is None and len(document) >= MAX_BODY_BYTES:
        raise RequestEntityTooLarge  # Werkzeug cuts a body of unknown length off at the limit, silently
    if document and not request.is_json:
        raise BadRequest("the body must be JSON (Content-Type: application/json)")
    try:
        return model.model_validate_json(document or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"{place}: {first['msg']}" if place else first["msg"]) from None


def answer(user_id: int, version: int, **fields: Any) -> Response:
    """The JSON answer of an authenticated route."""
    return jsonify(user_id=user_id, version=version, **fields)


def _error(status: int, code: ErrorCode, message: str) -> ResponseReturnValue:
    g.outcome = code.value
    return jsonify(error={"code": code.value, "message": message}), status


def _refused(refusal: Refusal) -> ResponseReturnValue:
    if refusal.session is not None:
        g.session_status = refusal.session
    answered = _error(refusal.status, refusal.code, str(refusal))
    if refusal.retry_after_s is not None:
        response = make_response(answered)
        response.headers["Retry-After"] = str(math.ceil(refusal.retry_after_s))
        return response
    return answered


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if isinstance(error, RequestEntityTooLarge):
        return _error(413, ErrorCode.TOO_LARGE, f"a body holds at most {MAX_BODY_BYTES} bytes")
    if error.code == 404:
        return _error(404, ErrorCode.NOT_FOUND, "there is no such page")
    if isinstance(error, MethodNotAllowed):
        return _not_allowed(error)
    status = error.code if error.code is not None and 400 <= error.code < 500 else 400
    return _error(status, ErrorCode.BAD_REQUEST, error.name)


def _not_allowed(error: MethodNotAllowed) -> Response:
    allowed = ", ".join(sorted(error.valid_methods or ()))
    message = f"this page has {allowed or 'no methods'}"
    response = make_response(_error(405, ErrorCode.METHOD_NOT_ALLOWED, message))
    response.headers["Allow"] = allowed
    return response


def _internal_error(error: Exception) -> ResponseReturnValue:
    current_app.logger.error("request failed: %s %s", request.method, request.path, exc_info=error)
    return _error(500, ErrorCode.INTERNAL, "something broke here; the cause is in the log")
