"""What both twins promise: the same shopper gets the same answers from either."""

from __future__ import annotations

import pytest

from services import contract
from services.replica import Replica
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code

AUTHENTICATED = [
    ("GET", contract.PROFILE, None),
    ("GET", contract.DASHBOARD, None),
    ("POST", contract.LOGOUT, {}),
    ("POST", contract.CART_TOTAL, {}),
    ("POST", contract.CART_ITEMS, {"product_id": 1, "quantity": 1}),
    ("POST", contract.ACTIVITY, {"action": "looked"}),
    ("PUT", contract.PREFERENCES, {"preferences": {"theme": "dark"}}),
]


@pytest.fixture
def shopper(replica: Replica) -> Shopper:
    shopper = Shopper(replica, user_id=11)
    assert shopper.login().status_code == 200
    return shopper


def test_login_begins_a_session_at_version_0(replica: Replica) -> None:
    answer = Shopper(replica, 12).login()
    content = answer.get_json()
    assert content["user_id"] == 12
    assert content["version"] == 0
    assert content["name"]
    assert set(content["preferences"]) == {"theme", "language"}
    assert content["expires_in"] == 3600
    assert answer.headers[contract.SESSION_HEADER] == "new"
    assert answer.headers[contract.VERSION_HEADER] == "0"


def test_the_profile_says_who_the_user_is(shopper: Shopper) -> None:
    profile = shopper.get(contract.PROFILE)
    assert (profile["email"], profile["permissions"]) == ("user11@shop.example", ["shop"])


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("user11", "wrong"),
        ("user999999", "shopper"),
        ("user0", "shopper"),
        ("user011", "shopper"),
        ("user99999999999999999999", "shopper"),
        ("user9999999999", "shopper"),
        ("nobody", "shopper"),
        ("user\uff11\uff11", "shopper"),
    ],
)
def test_wrong_credentials_are_refused_alike(replica: Replica, user: str, password: str) -> None:
    answer = Shopper(replica).send("POST", contract.LOGIN, {"user": user, "password": password})
    assert answer.status_code == 401
    assert error_code(answer) == "bad_credentials"
    assert answer.get_json()["error"]["message"] == "unknown user or wrong password"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(("method", "path", "body"), AUTHENTICATED)
def test_without_a_login_nothing_is_answered(replica: Replica, method: str, path: str, body: object) -> None:
    answer = Shopper(replica).send(method, path, body)
    assert answer.status_code == 401
    assert error_code(answer) == "unauthenticated"
    assert contract.SESSION_HEADER not in answer.headers


@pytest.mark.parametrize(("method", "path", "body"), AUTHENTICATED)
def test_every_answer_says_who_and_which_version(
    shopper: Shopper, method: str, path: str, body: object
) -> None:
    answer = shopper.send(method, path, body)
    assert answer.status_code == 200
    content = answer.get_json()
    assert content["user_id"] == 11
    assert answer.headers[contract.SESSION_HEADER] == "known"
    assert answer.headers[contract.VERSION_HEADER] == str(content["version"])


def test_every_answer_names_its_pod_and_boot(replica: Replica) -> None:
    shopper = Shopper(replica)
    for path in (contract.LIVE, contract.PRODUCTS, contract.PROFILE, "/nowhere"):
        headers = shopper.send("GET", path).headers
        assert headers[contract.POD_HEADER] == "pod-a"
        assert headers[contract.BOOT_HEADER] == replica.settings.boot


def test_each_write_adds_one_to_the_version_and_reads_add_none(shopper: Shopper) -> None:
    assert shopper.act("one")["version"] == 1
    assert shopper.prefer(theme="dark")["version"] == 2
    assert shopper.add(1)["version"] == 3
    assert shopper.total()["version"] == 3
    assert shopper.get(contract.DASHBOARD)["version"] == 3
    assert shopper.get(contract.PROFILE)["version"] == 3
    assert shopper.act("two")["version"] == 4


def test_a_refused_write_is_not_counted(shopper: Shopper) -> None:
    assert (
        shopper.send("POST", contract.CART_ITEMS, {"product_id": 100_000, "quantity": 1}).status_code == 404
    )
    assert shopper.send("POST", contract.ACTIVITY, {"action": ""}).status_code == 400
    assert shopper.act("one")["version"] == 1


def test_the_cart_adds_quantities_and_keeps_the_order_of_first_adds(shopper: Shopper) -> None:
    shopper.add(3, 2)
    first = shopper.add(5)["lines"][0]
    content = shopper.add(3, 4)
    assert [(line["product_id"], line["quantity"]) for line in content["lines"]] == [(3, 6), (5, 1)]
    assert content["lines"][0]["added_at"] == first["added_at"]
    assert content["lines"] == shopper.total()["lines"]


def test_the_cart_costs_what_the_catalogue_says(shopper: Shopper) -> None:
    product = next(
        shown for shown in shopper.get("/products?page=1")["products"] if shown["price_breaks"]
    )  # one that is cheaper in quantity
    step = product["price_breaks"][0]
    assert shopper.add(product["product_id"])["total"] == product["unit_price"]
    content = shopper.add(product["product_id"], step["from_quantity"] - 1)
    line = content["lines"][0]
    assert line["unit_price"] == step["unit_price"] < product["unit_price"]
    assert line["line_total"] == round(step["unit_price"] * step["from_quantity"], 2)
    assert content["total"] == line["line_total"]
    assert content["calculated_at"] >= line["added_at"]
    assert line["name"] == product["name"]


def test_an_empty_cart_costs_nothing(shopper: Shopper) -> None:
    content = shopper.total()
    assert content["lines"] == []
    assert content["total"] == 0


def test_what_is_not_for_sale_cannot_be_added(shopper: Shopper) -> None:
    pages = [shopper.get(f"/products?page={page}")["products"] for page in range(1, 16)]
    missing = next(shown["product_id"] for page in pages for shown in page if not shown["available"])
    answer = shopper.send("POST", contract.CART_ITEMS, {"product_id": missing, "quantity": 1})
    assert (answer.status_code, error_code(answer)) == (404, "not_found")
    assert shopper.total()["lines"] == []


def test_the_last_ten_actions_are_kept(shopper: Shopper) -> None:
    for number in range(12):
        content = shopper.act(f"action {number}")
    expected = [f"action {number}" for number in range(2, 12)]
    assert content["recent_activity"] == expected
    assert shopper.get(contract.DASHBOARD)["recent_activity"] == expected


def test_preferences_merge_and_outlast_the_session(replica: Replica) -> None:
    shopper = Shopper(replica, 13)
    before = shopper.login().get_json()["preferences"]
    shopper.prefer(theme="neon", size="large")
    assert shopper.prefer(size="small")["preferences"] == {**before, "theme": "neon", "size": "small"}
    assert shopper.get(contract.PROFILE)["preferences"]["size"] == "small"
    assert shopper.get(contract.DASHBOARD)["preferences"]["size"] == "small"
    again = Shopper(replica, 13).login().get_json()
    assert again["preferences"] == {**before, "theme": "neon", "size": "small"}
    assert again["version"] == 0


def test_a_user_can_have_sixteen_preferences(shopper: Shopper) -> None:
    shopper.prefer(**{f"p{number}": "x" for number in range(14)})
    answer = shopper.send("PUT", contract.PREFERENCES, {"preferences": {"one_more": "x"}})
    assert (answer.status_code, error_code(answer)) == (400, "bad_request")
    assert shopper.prefer(p1="y")["preferences"]["p1"] == "y"
    assert "one_more" not in shopper.get(contract.PROFILE)["preferences"]


def test_users_see_their_own_state_only(replica: Replica) -> None:
    one, other = Shopper(replica, 21), Shopper(replica, 22)
    one.login()
    other.login()
    one.add(1)
    one.act("mine")
    assert other.total()["lines"] == []
    assert other.get(contract.DASHBOARD)["recent_activity"] == []
    assert other.get(contract.PROFILE)["user_id"] == 22


def test_products_are_listed_in_pages(replica: Replica) -> None:
    shopper = Shopper(replica)
    assert [shown["product_id"] for shown in shopper.get(contract.PRODUCTS)["products"]] == [*range(1, 21)]
    assert [shown["product_id"] for shown in shopper.get("/products?page=3")["products"]] == [*range(41, 61)]
    assert shopper.get("/products?page=999999")["products"] == []
    for page in ("0", "-1", "x", "1.5", "9999999", "\uff11"):
        assert shopper.send("GET", f"/products?page={page}").status_code == 400


@pytest.mark.parametrize("path", ["/products/999999", "/products/99999999999999999999", "/products/0"])
def test_an_unknown_product_is_not_found(replica: Replica, path: str) -> None:
    answer = Shopper(replica).send("GET", path)
    assert (answer.status_code, error_code(answer)) == (404, "not_found")


def test_the_dashboard_shows_what_was_bought(replica: Replica) -> None:
    seen = []
    for user_id in range(31, 36):
        shopper = Shopper(replica, user_id)
        shopper.login()
        seen += shopper.get(contract.DASHBOARD)["recent_purchases"]
    assert seen
    assert all(
        0 < bought["product_id"] <= 300 and bought["name"] and bought["quantity"] > 0 for bought in seen
    )


def test_the_twins_answer_alike(make_replica: MakeReplica) -> None:
    answers = []
    for name in ("stateless", "stateful"):
        shopper = Shopper(make_replica(name), 41)
        shopper.login()
        seen = [shopper.add(7, 3), shopper.act("looked"), shopper.total(), shopper.get(contract.DASHBOARD)]
        for content in seen:
            for line in content.get("lines", []):
                del line["added_at"]
            for own in ("token", "cart", "cart_items", "message", "calculated_at"):
                content.pop(own, None)
        answers.append(seen)
    assert answers[0] == answers[1]
