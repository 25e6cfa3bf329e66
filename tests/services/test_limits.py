"""Whatever a client sends, the answer is an error of the contract and says nothing of our insides."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from services import contract
from services.replica import Replica
from services.web import MAX_BODY_BYTES
from tests.generated import examples
from tests.services.shopper import Shopper, error_code, sample


@pytest.fixture
def shopper(replica: Replica) -> Shopper:
    shopper = Shopper(replica, 91)
    shopper.login()
    shopper.cart = None
    return shopper


LINE = {"product_id": 1, "quantity": 1, "unit_price": 1.25, "added_at": 5}
TOO_MANY_LINES = [{**LINE, "product_id": number} for number in range(1, 102)]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", contract.LOGIN, {}),
        ("POST", contract.LOGIN, {"user": 1, "password": "shopper"}),
        ("POST", contract.LOGIN, {"user": "user1", "password": "x" * 300}),
        ("POST", contract.LOGIN, {"user": "user1", "password": "shopper", "admin": True}),
        ("POST", contract.LOGIN, []),
        ("POST", contract.LOGOUT, {"x": 1}),
        ("PUT", contract.PREFERENCES, {"preferences": "dark"}),
        ("PUT", contract.PREFERENCES, {"preferences": {"theme": 1}}),
        ("PUT", contract.PREFERENCES, {"preferences": {"the me": "x"}}),
        ("PUT", contract.PREFERENCES, {"preferences": {"theme": "a\x00b"}}),
        ("PUT", contract.PREFERENCES, {"preferences": {"theme": "x" * 65}}),
        ("PUT", contract.PREFERENCES, {"preferences": {f"p{number}": "x" for number in range(17)}}),
        ("POST", contract.ACTIVITY, {"action": ""}),
        ("POST", contract.ACTIVITY, {"action": "a\nb"}),
        ("POST", contract.ACTIVITY, {"action": "x" * 65}),
        ("POST", contract.CART_ITEMS, {"product_id": 1}),
        ("POST", contract.CART_ITEMS, {"product_id": "1", "quantity": 1}),
        ("POST", contract.CART_ITEMS, {"product_id": 1, "quantity": 0}),
        ("POST", contract.CART_ITEMS, {"product_id": 1, "quantity": -1}),
        ("POST", contract.CART_ITEMS, {"product_id": 1, "quantity": 1.5}),
        ("POST", contract.CART_ITEMS, {"product_id": 1, "quantity": True}),
        ("POST", contract.CART_ITEMS, {"product_id": 2**31, "quantity": 1}),
        ("POST", contract.CART_ITEMS, {"product_id": 1, "quantity": 10**30}),
        ("POST", contract.CART_TOTAL, {"cart": {"lines": [{**LINE, "quantity": 10_000}]}}),
        ("POST", contract.CART_TOTAL, {"cart": {"lines": [{**LINE, "unit_price": 0.001}]}}),
        ("POST", contract.CART_TOTAL, {"cart": {"lines": [{**LINE, "unit_price": -1}]}}),
        ("POST", contract.CART_TOTAL, {"cart": {"lines": [LINE, LINE]}}),
        (
            "POST",
            contract.CART_TOTAL,
            {"cart": {"lines": TOO_MANY_LINES}},
        ),
    ],
)
def test_a_body_that_breaks_the_contract_is_refused(
    shopper: Shopper, method: str, path: str, body: object
) -> None:
    answer = shopper.send(method, path, body)
    assert (answer.status_code, error_code(answer)) == (400, "bad_request")
    assert shopper.act("still here")["version"] == 1


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"\xff\xfe",
        b'{"action": "\\ud800"}',
        b'{"action": "x"} more',
        b"[" * 50_000,
        b'{"action": NaN}',
        b'{"product_id": 1e400}',
        b"null",
    ],
)
def test_text_that_is_not_json_is_refused(replica: Replica, shopper: Shopper, text: bytes) -> None:
    answer = raw(replica, shopper, text)
    assert (answer.status_code, error_code(answer)) == (400, "bad_request")


def raw(
    replica: Replica, shopper: Shopper, text: bytes, content_type: str = "application/json"
) -> TestResponse:
    client = replica.app.test_client()
    if shopper.cookie:
        client.set_cookie(contract.SESSION_COOKIE, shopper.cookie)
    headers = {"Authorization": f"Bearer {shopper.token}"}
    return client.post(contract.ACTIVITY, data=text, content_type=content_type, headers=headers)


def test_only_json_is_read(replica: Replica, shopper: Shopper) -> None:
    # A page of another site can post forms and plain text with the user's cookie, but not JSON.
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = raw(replica, shopper, b'{"action": "x"}', content_type)
        assert (answer.status_code, error_code(answer)) == (400, "bad_request")
    assert raw(replica, shopper, b'{"action": "x"}').status_code == 200


def test_a_body_that_is_too_large_is_refused(replica: Replica, shopper: Shopper) -> None:
    answer = raw(replica, shopper, b'{"action": "' + b"x" * MAX_BODY_BYTES + b'"}')
    assert (answer.status_code, error_code(answer)) == (413, "too_large")


def test_unknown_pages_and_methods_are_refused(replica: Replica) -> None:
    shopper = Shopper(replica)
    assert error_code(shopper.send("GET", "/nowhere")) == "not_found"
    answer = shopper.send("DELETE", contract.PROFILE)
    assert (answer.status_code, error_code(answer)) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    answer = shopper.send("GET", contract.LOGIN)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")
    assert sample(replica, "statefall_requests_total", route="unmatched", outcome="not_found") == 1


def test_an_operation_id_has_a_limit(replica: Replica) -> None:
    headers = {contract.OPERATION_HEADER: "x" * 129}
    answer = Shopper(replica).send("GET", contract.PRODUCTS, **headers)
    assert (answer.status_code, error_code(answer)) == (400, "bad_request")


def test_an_exception_stays_inside(replica: Replica, caplog: pytest.LogCaptureFixture) -> None:
    def breaks() -> str:
        raise RuntimeError("the secret is 42")

    replica.app.add_url_rule("/breaks", "breaks", breaks)
    with caplog.at_level(logging.ERROR):
        answer = Shopper(replica).send("GET", "/breaks")
    assert (answer.status_code, error_code(answer)) == (500, "internal")
    assert "42" not in answer.text
    assert "the secret is 42" in caplog.text
    assert sample(replica, "statefall_requests_total", route="/breaks", outcome="internal") == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "user": ANYTHING,
        "password": ANYTHING,
        "preferences": st.dictionaries(st.text(), ANYTHING, max_size=3) | ANYTHING,
        "product_id": st.integers(-1, 400) | ANYTHING,
        "quantity": st.integers(-1, 20_000) | ANYTHING,
        "cart": st.fixed_dictionaries(
            {"lines": st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(LINE, ANYTHING)), max_size=3)}
        ),
        "action": ANYTHING,
    },
)
WRITES = [
    ("POST", contract.LOGIN),
    ("PUT", contract.PREFERENCES),
    ("POST", contract.CART_ITEMS),
    ("POST", contract.CART_TOTAL),
    ("POST", contract.CART_VALIDATE),
    ("POST", contract.ACTIVITY),
]


@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(route=st.sampled_from(WRITES), body=FIELDS | ANYTHING)
def test_no_body_breaks_a_replica(shopper: Shopper, route: tuple[str, str], body: object) -> None:
    answer = shopper.send(*route, json.loads(json.dumps(body)))
    shopper.cart = None
    assert answer.status_code in {200, 400, 401, 404, 429}


# What a client can put into a header; the server hands it on as Latin-1.
HEADER_TEXT = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))


@settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cookie=HEADER_TEXT, token=HEADER_TEXT)
def test_no_proof_of_login_breaks_a_replica(replica: Replica, cookie: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Cookie": f"{contract.SESSION_COOKIE}={cookie}"}
    answer = replica.app.test_client().get(contract.PROFILE, headers=headers)
    assert (answer.status_code, error_code(answer)) == (401, "unauthenticated")
