"""The OpenAPI document of a twin, and the route that serves it.

The WebSocket of the stateful twin is not in it, because OpenAPI has no words for one; its messages
are described in `services/contract.py`. Nor are the metrics (Prometheus text) and what replicas say
among themselves.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from flask import Flask, Response, jsonify
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services import contract
from services.contract import SessionStatus
from services.openapi.answers import Error
from services.openapi.operations import OPERATIONS, Operation, Twin

_REFERENCE: Final = "#/components/schemas/{model}"
_MEANINGS: Final = {
    400: "The request is not what the contract says.",
    401: "There is no session: never begun, refused, expired or lost (see `error.code`).",
    404: "There is no such thing, or it is not for sale.",
    413: "The body is too large.",
    429: "Too many wrong passwords; `Retry-After` says when to come back.",
    503: "The database, the store or another replica does not answer, or a limit is reached (see"
    " `error.code`); nothing is known of a write.",
}
_PROOF: Final = {
    Twin.STATELESS: {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "Handed out last.",
        }
    },
    Twin.STATEFUL: {"session": {"type": "apiKey", "in": "cookie", "name": contract.SESSION_COOKIE}},
}


class OpenApi:
    """Serves the document of one twin."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def register(self, app: Flask) -> None:
        """Add the route."""
        app.add_url_rule(contract.OPENAPI, "openapi", self.openapi)

    def openapi(self) -> Response:
        """The document."""
        return jsonify(document(self._twin))


@cache
def document(twin: Twin) -> dict[str, Any]:
    """The document as JSON has it; not to be changed by who gets it."""
    operations = [operation for operation in OPERATIONS if operation.served_by(twin)]
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        place = paths.setdefault(template(operation.path), {})
        place[operation.method.lower()] = _described(operation, twin)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Statefall's {twin.value} shop",
            "version": "1",
            "description": "Every answer names the pod and the boot that gave it; a session's answers count"
            " its applied writes. Another method than those of a path is answered with 405 and `Allow`.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(operations, twin), "securitySchemes": _PROOF[twin]},
    }


def template(path: str) -> str:
    """A path as OpenAPI writes it: `/products/{product_id}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)


def _described(operation: Operation, twin: Twin) -> dict[str, Any]:
    answer = operation.answer_of(twin)
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": [{name: []} for name in _PROOF[twin]] if operation.login else [],
        "parameters": _parameters(operation),
        "responses": {
            "200": {
                "description": (answer.__doc__ or "").splitlines()[0],
                "headers": _headers(known=operation.login or operation.path == contract.LOGIN),
                "content": _json(answer),
            },
            **{str(status): _refusal(operation, status, answer) for status in operation.statuses()},
        },
    }
    if operation.body:
        described["requestBody"] = {
            "required": bool(_required(operation.body)),
            "content": _json(operation.body),
        }
    return described


def _required(body: type[BaseModel]) -> list[str]:
    return [name for name, field in body.model_fields.items() if field.is_required()]


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {
            "name": contract.OPERATION_HEADER,
            "in": "header",
            "description": "A unique id of this operation: a write that comes again with it is not"
            " applied again, and answered as the first time.",
            "schema": {"type": "string", "maxLength": 128},
        }
    ]
    if operation.path == contract.PRODUCT:
        parameters.append(
            {
                "name": "product_id",
                "in": "path",
                "required": True,
                "schema": {"type": "integer", "minimum": 0},
            }
        )
    if operation.pages:
        page = {"type": "integer", "minimum": 1, "maximum": operation.pages, "default": 1}
        parameters.append({"name": "page", "in": "query", "schema": page})
    return parameters


def _headers(*, known: bool) -> dict[str, Any]:
    def header(description: str, schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
        return {"description": description, "required": required, "schema": schema}

    headers = {
        contract.POD_HEADER: header("The pod that answers.", {"type": "string"}),
        contract.BOOT_HEADER: header("Its start: memory that survived has the same.", {"type": "string"}),
    }
    if known:
        statuses = {"type": "string", "enum": [*SessionStatus]}
        headers[contract.SESSION_HEADER] = header("What became of the session.", statuses)
        # A degraded answer cannot know it.
        version = {"type": "integer", "minimum": 0}
        headers[contract.VERSION_HEADER] = header("The session's version.", version, required=False)
    return headers


def _refusal(operation: Operation, status: int, answer: type[BaseModel]) -> dict[str, Any]:
    headers = _headers(known=False)
    if status == 429:
        seconds = {"type": "integer", "minimum": 0}
        headers["Retry-After"] = {"description": "Seconds.", "required": True, "schema": seconds}
    if status == 503 and operation.path == contract.LOGIN:
        seconds = {"type": "integer", "minimum": 0}
        text = "Seconds; where the replica holds as many sessions as it may."
        headers["Retry-After"] = {"description": text, "required": False, "schema": seconds}
    not_ready = operation.path == contract.READY and status == 503
    return {
        "description": _MEANINGS[status],
        "headers": headers,
        "content": _json(answer if not_ready else Error),
    }


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}


def _schemas(operations: list[Operation], twin: Twin) -> dict[str, Any]:
    used: dict[type[BaseModel], None] = {Error: None}
    for operation in operations:
        for model in (operation.body, operation.answer_of(twin)):
            if model:
                used[model] = None
    _, schemas = models_json_schema(
        [(model, "validation") for model in used], ref_template=_REFERENCE, by_alias=True
    )
    described: dict[str, Any] = schemas["$defs"]
    return described
