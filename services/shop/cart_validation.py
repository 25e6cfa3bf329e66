"""Whether a cart that somebody else kept can be trusted: each fault gets a name, the rest a price.

A cart that travels was written by a client, and even an honest one may have held it for hours. What
it says of prices is never charged; it is compared with the catalogue so that the user can be told.
Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from services.shop import cart
from services.shop.cart import Cart, CartLine
from services.shop.pricing import Product, amount, unit_price_cents

TOLERANCE_CENTS: Final = 1
"""A unit price may be off by so much: a client that computes with binary fractions rounds differently."""


class CartFault(StrEnum):
    """What can be wrong with a line."""

    UNKNOWN_PRODUCT = "unknown_product"
    UNAVAILABLE_PRODUCT = "unavailable_product"
    PRICE_CHANGED = "price_changed"


@dataclass(frozen=True, slots=True)
class LineError:
    """One fault of one line."""

    error: CartFault
    product_id: int
    message: str


def validate(held: Cart, products: Mapping[int, Product], now_s: float) -> dict[str, Any]:
    """The cart as answers show it, with `valid` and `errors`.

    Lines that cannot be bought are named and left out of `lines` and `total`; a line with another
    price is named and charged at the current one.
    """
    errors = [error for line in held if (error := _fault(line, products.get(line.product_id)))]
    sellable = tuple(
        line for line in held if line.product_id in products and products[line.product_id].available
    )
    return {
        "valid": not errors,
        "errors": [
            {"error": found.error.value, "product_id": found.product_id, "message": found.message}
            for found in errors
        ],
        **cart.priced(sellable, products, now_s),
    }


def _fault(line: CartLine, product: Product | None) -> LineError | None:
    number = line.product_id
    if product is None:
        return LineError(CartFault.UNKNOWN_PRODUCT, number, f"there is no product {number}")
    if not product.available:
        return LineError(CartFault.UNAVAILABLE_PRODUCT, number, f"product {number} is not available")
    current = unit_price_cents(product, line.quantity)
    if abs(line.unit_price_cents - current) > TOLERANCE_CENTS:
        claimed, right = amount(line.unit_price_cents), amount(current)
        return LineError(
            CartFault.PRICE_CHANGED, number, f"product {number} costs {right:.2f}, not {claimed:.2f}"
        )
    return None
