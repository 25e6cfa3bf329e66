"""Whether a cart that somebody else kept can be trusted: each fault gets a name, the rest a price.

A cart that travels was written by a client, and even an honest one may have held it for hours. What
it says of prices is never charged; it is compared with the catalogue so that the user can be told.
Pure functions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from services.shop import cart
from services.shop.cart import CartLine
from services.shop.pricing import Product, amount, unit_price_cents

TOLERANCE: Final = Decimal("0.01")
"""A unit price may be off by so much: a client that computes with binary fractions rounds differently."""


class CartFault(StrEnum):
    """What can be wrong with a line."""

    UNKNOWN_PRODUCT = "unknown_product"
    UNAVAILABLE_PRODUCT = "unavailable_product"
    PRICE_CHANGED = "price_changed"


@dataclass(frozen=True, slots=True)
class Claim:
    """A line as its keeper has it: product and price may be anything."""

    product_id: int
    quantity: int
    unit_price: Decimal
    """Finite; a client's may have any number of digits, or be negative."""
    added_at_s: float
    """Unix time of the first add."""

    @classmethod
    def of(cls, line: CartLine) -> Claim:
        """What a line that we kept says."""
        price = Decimal(line.unit_price_cents).scaleb(-2)
        return cls(line.product_id, line.quantity, price, line.added_at_s)


@dataclass(frozen=True, slots=True)
class LineError:
    """One fault of one line."""

    error: CartFault
    product_id: int
    message: str


def validate(held: Collection[Claim], products: Mapping[int, Product], now_s: float) -> dict[str, Any]:
    """The cart as answers show it, with `valid` and `errors`.

    Lines that cannot be bought are named and left out of `lines` and `total`; a line with another
    price is named and charged at the current one.
    """
    errors = [error for line in held if (error := _fault(line, products.get(line.product_id)))]
    sellable = tuple(
        CartLine(product.id, line.quantity, unit_price_cents(product, line.quantity), line.added_at_s)
        for line in held
        if (product := products.get(line.product_id)) and product.available
    )
    return {
        "valid": not errors,
        "errors": [
            {"error": found.error.value, "product_id": found.product_id, "message": found.message}
            for found in errors
        ],
        **cart.priced(sellable, products, now_s),
    }


def _fault(line: Claim, product: Product | None) -> LineError | None:
    number = line.product_id
    if product is None:
        return LineError(CartFault.UNKNOWN_PRODUCT, number, f"there is no product {number}")
    if not product.available:
        return LineError(CartFault.UNAVAILABLE_PRODUCT, number, f"product {number} is not available")
    current = unit_price_cents(product, line.quantity)
    if abs(line.unit_price - Decimal(current).scaleb(-2)) > TOLERANCE:
        message = f"product {number} costs {amount(current):.2f}, not {line.unit_price}"
        return LineError(CartFault.PRICE_CHANGED, number, message)
    return None
