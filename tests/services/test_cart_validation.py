"""A cart that a client kept: each fault is named, and the rest still has a price."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from services import contract
from services.replica import Replica
from services.shop.cart import Cart, CartLine
from services.shop.cart_validation import Claim
from services.shop.cart_validation import validate as validate_claims
from services.shop.pricing import Product
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code

TEAPOT = Product(1, "Teapot", 1000, ((5, 900),), available=True)
LAMP = Product(2, "Lamp", 333, (), available=True)
RUG = Product(3, "Rug", 500, (), available=False)
PRODUCTS = {1: TEAPOT, 2: LAMP, 3: RUG}


def validate(cart: Cart, products: Mapping[int, Product], now_s: float) -> dict[str, Any]:
    return validate_claims([Claim.of(line) for line in cart], products, now_s)


def faults(cart: Cart) -> list[tuple[str, int]]:
    return [(found["error"], found["product_id"]) for found in validate(cart, PRODUCTS, 9.0)["errors"]]


def test_an_honest_cart_is_valid() -> None:
    cart = (CartLine(1, 5, 900, 1.0), CartLine(2, 1, 333, 2.0))
    checked = validate(cart, PRODUCTS, 9.0)
    assert (checked["valid"], checked["errors"]) == (True, [])
    assert checked["total"] == 48.33
    assert checked["calculated_at"] == 9.0


def test_an_empty_cart_is_valid_and_costs_nothing() -> None:
    checked = validate((), PRODUCTS, 9.0)
    assert (checked["valid"], checked["errors"], checked["lines"], checked["total"]) == (True, [], [], 0)


@pytest.mark.parametrize("off", [-1, 1])
def test_a_cent_of_rounding_is_tolerated(off: int) -> None:
    assert faults((CartLine(2, 1, 333 + off, 1.0),)) == []


@pytest.mark.parametrize("off", [-333, -2, 2, 1000])
def test_another_price_is_named_and_the_right_one_charged(off: int) -> None:
    cart = (CartLine(2, 2, 333 + off, 1.0),)
    assert faults(cart) == [("price_changed", 2)]
    assert validate(cart, PRODUCTS, 9.0)["total"] == 6.66


@pytest.mark.parametrize(
    ("price", "named"),
    [
        ("3.33", False),
        ("3.32", False),
        ("3.34", False),
        ("3.3300000000000001", False),
        ("3.3399999999999999", False),
        ("3.3400000000000001", True),
        ("3.344", True),
        ("3.3199999999999998", True),
        ("-3.33", True),
        ("1E+308", True),
    ],
)
def test_a_price_of_any_number_of_digits_is_compared_exactly(price: str, named: bool) -> None:
    checked = validate_claims([Claim(2, 2, Decimal(price), 1.0)], PRODUCTS, 9.0)
    assert [found["error"] for found in checked["errors"]] == ["price_changed"] * named
    assert checked["total"] == 6.66


def test_the_right_price_depends_on_the_quantity() -> None:
    assert faults((CartLine(1, 4, 1000, 1.0),)) == []
    assert faults((CartLine(1, 5, 1000, 1.0),)) == [("price_changed", 1)]


def test_every_fault_is_named_and_the_rest_is_priced() -> None:
    cart = (
        CartLine(99, 1, 100, 1.0),
        CartLine(3, 1, 500, 2.0),
        CartLine(1, 1, 1, 3.0),
        CartLine(2, 3, 333, 4.0),
    )
    assert faults(cart) == [("unknown_product", 99), ("unavailable_product", 3), ("price_changed", 1)]
    checked = validate(cart, PRODUCTS, 9.0)
    assert checked["valid"] is False
    assert [(line["product_id"], line["line_total"]) for line in checked["lines"]] == [(1, 10.0), (2, 9.99)]
    assert checked["total"] == 19.99


def test_a_cart_that_the_service_handed_out_is_valid(replica: Replica) -> None:
    shopper = Shopper(replica, 61)
    shopper.login()
    shopper.add(1, 2)
    shopper.add(2, 30)
    answer = shopper.send("POST", contract.CART_VALIDATE, {}).get_json()
    assert (answer["valid"], answer["errors"]) == (True, [])
    assert answer["total"] == shopper.total()["total"] > 0
    assert (answer["user_id"], answer["version"]) == (61, 2)


def test_a_cart_that_a_client_made_up_is_not(make_replica: MakeReplica) -> None:
    shopper = Shopper(make_replica("stateless"), 62)
    shopper.login()
    line = {"quantity": 1, "unit_price": 0.01, "added_at": 1.0}
    cart = {"lines": [{"product_id": 1, **line}, {"product_id": 9_999_999, **line}]}
    answer = shopper.send("POST", contract.CART_VALIDATE, {"cart": cart}).get_json()
    assert answer["valid"] is False
    assert [found["error"] for found in answer["errors"]] == ["price_changed", "unknown_product"]
    assert answer["total"] == shopper.get("/products/1")["unit_price"]


def checked(shopper: Shopper, *lines: dict[str, Any]) -> dict[str, Any]:
    """The answer for these lines and one that is right."""
    price = shopper.get("/products/7")["unit_price"]
    right = {"product_id": 7, "quantity": 1, "unit_price": price, "added_at": 1.0}
    cart = {"lines": [*({"quantity": 1, "added_at": 1.0, **line} for line in lines), right]}
    answer = shopper.send("POST", contract.CART_VALIDATE, {"cart": cart})
    assert answer.status_code == 200, answer.text
    content = answer.get_json()
    assert isinstance(content, dict)
    assert content["lines"][-1]["line_total"] == price, "the rest is priced"
    return content


@pytest.fixture
def keeper(make_replica: MakeReplica) -> Shopper:
    """A user who keeps the cart."""
    shopper = Shopper(make_replica("stateless"), 65)
    shopper.login()
    return shopper


def test_a_price_in_binary_fractions_is_compared_and_not_refused(keeper: Shopper) -> None:
    price = keeper.get("/products/1")["unit_price"]
    near, far = price + 0.004, price + 0.1 + 0.2
    assert len(repr(far).partition(".")[2]) > 2
    assert checked(keeper, {"product_id": 1, "unit_price": near})["valid"] is True
    answer = checked(keeper, {"product_id": 1, "unit_price": far})
    assert [found["error"] for found in answer["errors"]] == ["price_changed"]
    assert repr(far) in answer["errors"][0]["message"]


@pytest.mark.parametrize("price", [0.30000000000000004, -1, -0.01, 1e300])
def test_a_price_that_nothing_costs_is_named(keeper: Shopper, price: float) -> None:
    answer = checked(keeper, {"product_id": 1, "unit_price": price})
    assert [found["error"] for found in answer["errors"]] == ["price_changed"]
    assert [line["product_id"] for line in answer["lines"]] == [1, 7]


@pytest.mark.parametrize("number", [0, -1, 2**31, -(10**30)])
def test_a_product_number_that_nothing_has_is_named(keeper: Shopper, number: int) -> None:
    answer = checked(keeper, {"product_id": number, "unit_price": 1})
    found = [(error["error"], error["product_id"]) for error in answer["errors"]]
    assert found == [("unknown_product", number)]
    assert [line["product_id"] for line in answer["lines"]] == [7]


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity", "1e400", '"1.25"', "true", "null"])
def test_a_price_that_is_no_number_is_refused(make_replica: MakeReplica, price: str) -> None:
    replica = make_replica("stateless")
    shopper = Shopper(replica, 66)
    shopper.login()
    lines = f'[{{"product_id": 1, "quantity": 1, "unit_price": {price}, "added_at": 1}}]'
    answer = replica.app.test_client().post(
        contract.CART_VALIDATE,
        data=f'{{"cart": {{"lines": {lines}}}}}',
        content_type="application/json",
        headers={"Authorization": f"Bearer {shopper.token}"},
    )
    assert (answer.status_code, error_code(answer)) == (400, "bad_request")


def test_a_session_cart_is_told_of_a_changed_price(make_replica: MakeReplica) -> None:
    replica = make_replica("stateful")
    shopper = Shopper(replica, 63)
    shopper.login()
    shopper.add(200)
    with replica.database.connection() as connection:
        price = "UPDATE products SET unit_price_cents = unit_price_cents + %s WHERE id = 200"
        connection.execute(price, (100,))
        try:
            answer = shopper.send("POST", contract.CART_VALIDATE, {}).get_json()
        finally:
            connection.execute(price, (-100,))
    assert [found["error"] for found in answer["errors"]] == ["price_changed"]


def test_a_cart_of_nonsense_is_refused(make_replica: MakeReplica) -> None:
    shopper = Shopper(make_replica("stateless"), 64)
    shopper.login()
    carts: tuple[object, ...] = ({"lines": [{"product_id": 1}]}, {"lines": {}}, {"rows": []}, [])
    for cart in carts:
        answer = shopper.send("POST", contract.CART_VALIDATE, {"cart": cart})
        assert (answer.status_code, error_code(answer)) == (400, "bad_request")
