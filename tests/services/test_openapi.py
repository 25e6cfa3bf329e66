"""The OpenAPI document says what the twins do, and running twins do what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.openapi import from_url
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from services import contract
from services.openapi.document import document, template
from services.openapi.operations import OPERATIONS, Twin
from services.replica import Replica
from services.settings import SessionDesign
from tests.services.backing import Valkey
from tests.services.conftest import MakeReplica
from tests.services.serving import KEY, Served, serve
from tests.services.shopper import Shopper

UNDESCRIBED = {contract.METRICS, contract.OPENAPI, contract.WEBSOCKET}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
    unsupported_method,
]
EXAMPLES = {SessionDesign.CLIENT: 25, SessionDesign.MEMORY: 25}
"""For each operation of a twin in its usual design; which ones they are is always the same."""
FEWER_EXAMPLES = 6
"""Of the twin's other designs, which have another place for the session and the same routes: so only of
the operations that need one, and of the login."""


def operations_of(schema: BaseSchema) -> list[APIOperation[Any, Any, Any, Any]]:
    """All operations of a document, each of them sound."""
    operations = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operations.append(found.ok())
    return operations


def served_routes(replica: Replica) -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in replica.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule not in UNDESCRIBED and not rule.rule.startswith("/internal/")
    }


def test_every_route_is_described_and_every_description_is_served(replica: Replica, twin: str) -> None:
    described = {(op.method, op.path) for op in OPERATIONS if op.served_by(Twin(twin))}
    assert described == served_routes(replica)


def test_the_document_is_valid_and_served(replica: Replica, twin: str) -> None:
    answer = replica.app.test_client().get(contract.OPENAPI)
    assert answer.status_code == 200
    content = answer.get_json()
    assert content == document(Twin(twin))
    schema = schemathesis.openapi.from_dict(content)
    schema.validate()
    assert {op.method for op in operations_of(schema)} >= {"get", "post", "put"}
    names = [op["operationId"] for path in content["paths"].values() for op in path.values()]
    assert len(set(names)) == len(names)


def body_of(name: str) -> dict[str, Any] | None:
    bodies: dict[str, dict[str, Any]] = {
        "login": {"user": "user301", "password": "shopper"},
        "logout": {},
        "setPreferences": {"preferences": {"theme": "dark"}},
        "addToCart": {"product_id": 1, "quantity": 2},
        "totalCart": {},
        "validateCart": {},
        "act": {"action": "looked"},
        "say": {"text": "my name is Ada and I like 2 lamps"},
    }
    return bodies.get(name)


def test_what_a_shopper_gets_is_what_is_described(make_replica: MakeReplica, twin: str) -> None:
    shopper = Shopper(make_replica(twin), 301)
    last = ["logout"]
    served = [op for op in OPERATIONS if op.served_by(Twin(twin))]
    for op in sorted(served, key=lambda op: op.name in last):
        path = template(op.path).replace("{product_id}", "1")
        answer = shopper.send(op.method, path, body_of(op.name))
        assert answer.status_code == 200, op.name
        op.answer_of(Twin(twin)).model_validate_json(answer.get_data(), strict=True)
        described = document(Twin(twin))["paths"][template(op.path)][op.method.lower()]
        for name, header in described["responses"]["200"]["headers"].items():
            assert name in answer.headers or not header["required"], (op.name, name)


@pytest.fixture(params=SessionDesign)
def design(request: pytest.FixtureRequest) -> SessionDesign:
    return SessionDesign(request.param)


@pytest.fixture
def served(design: SessionDesign, database_url: str, valkey: Valkey) -> Iterator[Served]:
    environ = {
        "STATEFALL_STATE": design.value,
        "STATEFALL_DATABASE_URL": database_url,
        "STATEFALL_STORE_URL": valkey.url,
        "STATEFALL_JWT_KEYS": KEY,
        "STATEFALL_ENVIRONMENT": "local",
    }
    with serve("stateless" if design is SessionDesign.CLIENT else "stateful", environ) as replica:
        yield replica


def proof(served: Served) -> dict[str, Any]:
    """What a user sends after a login: arguments of a call."""
    login = httpx.post(
        f"{served.url}/login", json={"user": "user302", "password": "shopper"}, trust_env=False
    )
    token = login.json().get("token")
    return {"headers": {"Authorization": f"Bearer {token}"}} if token else {"cookies": dict(login.cookies)}


def hold(
    operation: APIOperation[Any, Any, Any, Any],
    mode: schemathesis.GenerationMode,
    who: dict[str, Any],
    examples: int,
) -> None:
    """Send what is generated for the operation and fail at the first answer that is not as described."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers_as_described(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS, **who)

    answers_as_described()


def touches_the_session(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    (described,) = [
        op
        for op in OPERATIONS
        if (op.method.lower(), template(op.path)) == (operation.method, operation.path)
    ]
    return described.login or described.name == "login"


@pytest.mark.shipped
def test_nothing_that_is_generated_breaks_a_running_twin(served: Served, design: SessionDesign) -> None:
    schema = from_url(f"{served.url}{contract.OPENAPI}")
    schema.config.generation.update(with_security_parameters=False)  # sent by us: a real login's
    operations = operations_of(schema)
    assert len(operations) > 10
    for operation in operations:
        if design in EXAMPLES or touches_the_session(operation):
            who = proof(served)
            for mode in schemathesis.GenerationMode:
                hold(operation, mode, who, EXAMPLES.get(design, FEWER_EXAMPLES))
                if operation.path in (contract.LOGIN, contract.LOGOUT):  # that ended the session
                    who = proof(served)
