"""What a user ordered before, page by page, read through the session's own database connection."""

from __future__ import annotations

import re
from typing import Final

from flask import Flask, Response, request

from services import contract
from services.refusals import BadRequest
from services.stateful.answers import session_answer, session_cookie
from services.stateful.connection_management import StatefulConnectionManagement
from services.stateful.lookup import Lookup

PAGE_SIZE: Final = 10
STATEMENT: Final = """
SELECT product_id, name, quantity, bought_at FROM purchases JOIN products ON products.id = product_id
WHERE user_id = %s ORDER BY bought_at DESC, product_id LIMIT %s OFFSET %s
"""
_PAGE: Final = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


class Orders:
    """The route of past orders."""

    def __init__(self, lookup: Lookup, connections: StatefulConnectionManagement) -> None:
        self._lookup, self._connections = lookup, connections

    def register(self, app: Flask) -> None:
        """Add the route."""
        app.add_url_rule(contract.ORDERS, "orders", self.orders)

    def orders(self) -> Response:
        """A page of orders, newest first, and how the session's connection fares."""
        page = request.args.get("page", "1")
        if not _PAGE.fullmatch(page):
            raise BadRequest("page: must be a number from 1 to 9999")
        session = self._lookup.load(session_cookie())
        parameters = (session.user_id, PAGE_SIZE, (int(page) - 1) * PAGE_SIZE)
        used = self._connections.query(session.key, STATEMENT, parameters)
        return session_answer(
            session,
            page=int(page),
            orders=[
                {"product_id": number, "name": name, "quantity": quantity, "bought_at": at.timestamp()}
                for number, name, quantity, at in used.rows
            ],
            connection={"opened_at": used.opened_at_s, "uses": used.uses},
        )
