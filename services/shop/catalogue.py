"""Reads products from the database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from services.database import Database
from services.refusals import NotFound
from services.shop.pricing import Product

PAGE_SIZE: Final = 20
MAX_ID: Final = 2**31 - 1
"""The largest number that the database's ids can be."""

_COLUMNS: Final = "id, name, unit_price_cents, break_quantities, break_prices_cents, available"


class Catalogue:
    """The products. Raises services.refusals.Unavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def product(self, product_id: int) -> Product:
        """One product. Raises NotFound."""
        found = self.products([product_id])
        if not found:
            raise NotFound(f"there is no product {product_id}")
        return found[product_id]

    def products(self, product_ids: Collection[int]) -> dict[int, Product]:
        """Those of these products that exist, by id."""
        if not product_ids:
            return {}
        ids = [number for number in product_ids if 0 < number <= MAX_ID]
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM products WHERE id = ANY(%s)", (ids,))  # noqa: S608
        return {row[0]: _product(row) for row in rows}

    def page(self, number: int) -> list[Product]:
        """The products of a page, best selling first; pages count from 1, one past the end is empty."""
        after = (number - 1) * PAGE_SIZE
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM products WHERE id > %s ORDER BY id LIMIT %s",  # noqa: S608
            (after, PAGE_SIZE),
        )
        return [_product(row) for row in rows]


def _product(row: tuple[Any, ...]) -> Product:
    number, name, cents, quantities, prices, available = row
    return Product(number, name, cents, tuple(zip(quantities, prices, strict=True)), available)
