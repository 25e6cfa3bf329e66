"""ClientSideShoppingCart: a cart that only the client keeps is checked before anything is built on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from services.shop.cart_validation import Claim, validate
from services.shop.catalogue import Catalogue


class ClientSideShoppingCart:
    """Compares a client's cart with the catalogue, line by line, and prices it anew."""

    def __init__(self, catalogue: Catalogue, now: Callable[[], float] = time.time) -> None:
        self._catalogue, self._now = catalogue, now

    def validate(self, held: Collection[Claim]) -> dict[str, Any]:
        """`valid`, the named `errors`, and what can be bought at current prices."""
        products = self._catalogue.products([line.product_id for line in held])
        return validate(held, products, self._now())
