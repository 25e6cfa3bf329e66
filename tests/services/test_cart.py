"""Prices and carts are arithmetic."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bodies import ClientCart
from services.refusals import BadRequest, NotFound
from services.shop.cart import MAX_LINES, MAX_QUANTITY, Cart, add, priced
from services.shop.pricing import Product, amount, line_total_cents, unit_price_cents
from services.stateless.shopping_cart import travelling

TEAPOT = Product(1, "Teapot", 1000, ((5, 900), (20, 801)), available=True)
LAMP = Product(2, "Lamp", 333, (), available=True)
GONE = Product(3, "Rug", 500, (), available=False)


@pytest.mark.parametrize(
    ("quantity", "cents"), [(1, 1000), (4, 1000), (5, 900), (19, 900), (20, 801), (9999, 801)]
)
def test_the_price_of_one_falls_at_each_break(quantity: int, cents: int) -> None:
    assert unit_price_cents(TEAPOT, quantity) == cents
    assert line_total_cents(TEAPOT, quantity) == cents * quantity


@given(st.integers(0, 10**12))
def test_an_amount_prints_as_exact_cents(cents: int) -> None:
    assert Decimal(json.dumps(amount(cents))) == Decimal(cents) / 100


def test_adding_the_same_product_adds_quantities_and_prices_the_sum() -> None:
    cart = add((), TEAPOT, 3, 10.0)
    assert (cart[0].quantity, cart[0].unit_price_cents) == (3, 1000)
    cart = add(add(cart, LAMP, 1, 11.0), TEAPOT, 2, 12.0)
    assert [(line.product_id, line.quantity, line.unit_price_cents) for line in cart] == [
        (1, 5, 900),
        (2, 1, 333),
    ]
    assert cart[0].added_at_s == 10.0


def test_a_cart_has_limits() -> None:
    cart: Cart = ()
    for number in range(MAX_LINES):
        cart = add(cart, Product(100 + number, "p", 1, (), available=True), 1, 0.0)
    with pytest.raises(BadRequest, match="100 different products"):
        add(cart, LAMP, 1, 0.0)
    full = add((), LAMP, MAX_QUANTITY, 0.0)
    with pytest.raises(BadRequest, match="9999 pieces"):
        add(full, LAMP, 1, 0.0)


def test_what_is_not_for_sale_is_not_added() -> None:
    with pytest.raises(NotFound, match="product 3 is not available"):
        add((), GONE, 1, 0.0)


def test_a_total_uses_current_prices() -> None:
    cart = add(add((), TEAPOT, 20, 1.0), LAMP, 2, 2.0)
    dearer = Product(2, "Lamp", 400, (), available=True)
    shown = priced(cart, {1: TEAPOT, 2: dearer}, 9.0)
    assert [line["line_total"] for line in shown["lines"]] == [160.2, 8.0]
    assert shown["total"] == 168.2
    assert shown["calculated_at"] == 9.0


def test_a_total_refuses_a_product_that_does_not_exist() -> None:
    with pytest.raises(NotFound, match="no product 2"):
        priced(add((), LAMP, 1, 0.0), {}, 0.0)


@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(1, 90), st.integers(1, 10_000_000)), min_size=1, max_size=60
    )
)
def test_a_cart_survives_its_travels(adds: list[tuple[int, int, int]]) -> None:
    cart: Cart = ()
    for product_id, quantity, cents in adds:
        cart = add(cart, Product(product_id, "p", cents, (), available=True), quantity, 1_750_000_000.125)
    travelled = json.dumps(travelling(cart))
    assert ClientCart.model_validate_json(travelled).cart() == cart
