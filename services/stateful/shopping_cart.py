"""The cart of the stateful twin: lines in the session, priced from the catalogue."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from services.sessions.session import Session
from services.shop import cart
from services.shop.cart_validation import Claim, validate
from services.shop.catalogue import Catalogue
from services.stateful.lookup import Lookup


class StatefulShoppingCart:
    """Adds to and totals the cart of a session."""

    def __init__(self, catalogue: Catalogue, lookup: Lookup, now: Callable[[], float] = time.time) -> None:
        self._catalogue, self._lookup, self._now = catalogue, lookup, now

    def add(
        self, cookie: str | None, product_id: int, quantity: int, operation: str = ""
    ) -> tuple[Session, dict[str, Any]]:
        """The session with so many pieces more, and its cart. Raises NotFound, BadRequest."""
        self._lookup.load(cookie)
        product, now = self._catalogue.product(product_id), self._now()
        session = self._lookup.update(
            cookie, lambda held: replace(held, cart=cart.add(held.cart, product, quantity, now)), operation
        )
        return session, self._priced(session, session.writes[-1].at_s)

    def total(self, cookie: str | None) -> tuple[Session, dict[str, Any]]:
        """The session and its cart at current prices."""
        session = self._lookup.load(cookie)
        return session, self._priced(session, self._now())

    def validate(self, cookie: str | None) -> tuple[Session, dict[str, Any]]:
        """The session, and whether its cart can still be bought as its user saw it."""
        session = self._lookup.load(cookie)
        products = self._catalogue.products([line.product_id for line in session.cart])
        return session, validate([Claim.of(line) for line in session.cart], products, self._now())

    def _priced(self, session: Session, at_s: float) -> dict[str, Any]:
        products = self._catalogue.products([line.product_id for line in session.cart])
        return cart.priced(session.cart, products, at_s)
