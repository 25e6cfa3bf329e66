"""What users bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.database import Database

RECENT: Final = 5
"""How many purchases a dashboard shows."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """One product of the past."""

    product_id: int
    name: str
    quantity: int


class History:
    """Past purchases. Raises services.refusals.Unavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recent(self, user_id: int) -> tuple[Purchase, ...]:
        """The user's newest purchases, newest first."""
        rows = self._database.rows(
            """
            SELECT product_id, name, quantity FROM purchases JOIN products ON products.id = product_id
            WHERE user_id = %s ORDER BY bought_at DESC, product_id LIMIT %s
            """,
            (user_id, RECENT),
        )
        return tuple(Purchase(*row) for row in rows)

    def bought(self, user_id: int) -> tuple[tuple[int, int], ...]:
        """(product id, pieces) of everything the user ever bought, by product id."""
        rows = self._database.rows(
            "SELECT product_id, sum(quantity) FROM purchases WHERE user_id = %s GROUP BY 1 ORDER BY 1",
            (user_id,),
        )
        return tuple((product_id, int(pieces)) for product_id, pieces in rows)
