"""The public pages of the catalogue: no login, no session."""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

from flask import Flask, Response, jsonify, request

from services import contract
from services.refusals import BadRequest
from services.shop.catalogue import PAGE_SIZE, Catalogue
from services.shop.pricing import Product, amount

_PAGE: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)


class Pages(Protocol):
    """Where pages of products come from."""

    def page(self, number: int) -> list[Product]:
        """The products of a page, best selling first; pages count from 1, one past the end is empty."""


class ProductPages:
    """The routes of single products and of pages of them."""

    def __init__(self, catalogue: Catalogue, pages: Pages) -> None:
        self._catalogue, self._pages = catalogue, pages

    def register(self, app: Flask) -> None:
        """Add the routes."""
        app.add_url_rule(contract.PRODUCT, "product", self.product)
        app.add_url_rule(contract.PRODUCTS, "products", self.products)

    def product(self, product_id: int) -> Response:
        """One product."""
        return jsonify(_shown(self._catalogue.product(product_id)))

    def products(self) -> Response:
        """A page of products, best selling first."""
        page = request.args.get("page", "1")
        if not _PAGE.fullmatch(page):
            raise BadRequest("page: must be a number from 1 to 999999")
        found = self._pages.page(int(page))
        return jsonify(page=int(page), page_size=PAGE_SIZE, products=[_shown(product) for product in found])


def _shown(product: Product) -> dict[str, Any]:
    return {
        "product_id": product.id,
        "name": product.name,
        "unit_price": amount(product.unit_price_cents),
        "price_breaks": [
            {"from_quantity": quantity, "unit_price": amount(cents)} for quantity, cents in product.breaks
        ],
        "available": product.available,
    }
