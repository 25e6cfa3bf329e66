"""The cart's arithmetic, the same for a cart in a session and one that travels: pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from services.refusals import BadRequest, NotFound
from services.shop.pricing import Product, amount, line_total_cents, unit_price_cents

MAX_LINES: Final = 100
MAX_QUANTITY: Final = 9_999
"""Pieces of one product in a cart."""


@dataclass(frozen=True, slots=True)
class CartLine:
    """Some pieces of one product."""

    product_id: int
    quantity: int
    unit_price_cents: int
    """What one cost when the line was last changed; totals are always priced anew."""
    added_at_s: float
    """Unix time of the first add."""


Cart = tuple[CartLine, ...]


def add(cart: Cart, product: Product, quantity: int, now_s: float) -> Cart:
    """The cart with so many pieces more. Raises NotFound when it is not for sale, BadRequest at a limit."""
    if not product.available:
        raise NotFound(f"product {product.id} is not available")
    old = next((line for line in cart if line.product_id == product.id), None)
    if old is None and len(cart) >= MAX_LINES:
        raise BadRequest(f"a cart holds at most {MAX_LINES} different products")
    total = quantity + (old.quantity if old else 0)
    if total > MAX_QUANTITY:
        raise BadRequest(f"a cart holds at most {MAX_QUANTITY} pieces of a product")
    price = unit_price_cents(product, total)
    if old is None:
        return (*cart, CartLine(product.id, total, price, now_s))
    changed = replace(old, quantity=total, unit_price_cents=price)
    return tuple(changed if line is old else line for line in cart)


def priced(cart: Cart, products: Mapping[int, Product], now_s: float) -> dict[str, Any]:
    """The cart as answers show it, at current prices. Raises NotFound for a product that does not exist."""
    lines, total_cents = [], 0
    for line in cart:
        product = products.get(line.product_id)
        if product is None:
            raise NotFound(f"there is no product {line.product_id}")
        line_cents = line_total_cents(product, line.quantity)
        total_cents += line_cents
        lines.append(
            {
                "product_id": product.id,
                "name": product.name,
                "quantity": line.quantity,
                "unit_price": amount(unit_price_cents(product, line.quantity)),
                "line_total": amount(line_cents),
                "added_at": line.added_at_s,
            }
        )
    return {"lines": lines, "total": amount(total_cents), "calculated_at": now_s}
