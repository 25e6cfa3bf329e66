"""StatelessShoppingCart: the cart comes with the request and goes back with the answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from services.shop import cart
from services.shop.cart import Cart
from services.shop.catalogue import Catalogue
from services.shop.pricing import amount


class StatelessShoppingCart:
    """Prices what it is handed and keeps nothing."""

    def __init__(self, catalogue: Catalogue, now: Callable[[], float] = time.time) -> None:
        self._catalogue, self._now = catalogue, now

    def add(self, held: Cart, product_id: int, quantity: int) -> tuple[Cart, dict[str, Any]]:
        """The cart with so many pieces more, and how it shows. Raises NotFound, BadRequest."""
        product = self._catalogue.product(product_id)
        changed = cart.add(held, product, quantity, self._now())
        return changed, self.total(changed)

    def total(self, held: Cart) -> dict[str, Any]:
        """How the cart shows, at current prices. Raises NotFound for a product that does not exist."""
        products = self._catalogue.products([line.product_id for line in held])
        return cart.priced(held, products, self._now())


def travelling(held: Cart) -> dict[str, Any]:
    """The cart as the client keeps it and sends it back."""
    return {
        "lines": [
            {
                "product_id": line.product_id,
                "quantity": line.quantity,
                "unit_price": amount(line.unit_price_cents),
                "added_at": line.added_at_s,
            }
            for line in held
        ]
    }
