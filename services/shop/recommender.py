"""The edges of the recommendations: purchases from the database in, products that can be bought out.

The graph of all purchases is the same for everybody and holds nobody's name: application state that
each replica reads once, in the background, when somebody asks for recommendations first: a replica that
is to recover is not kept from it by what nobody may want. It is not a session and is not lost with one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from services.database import Connection, Database
from services.refusals import DatabaseUnavailable, Unavailable
from services.shop.catalogue import Catalogue
from services.shop.recommendations import Indices, PurchaseGraph, Taste, build_graph, suggest

FAVOURITE: Final = "favourite"
"""The preference that names the user's favourite kind of product."""
COUNT: Final = 10
"""How many products an answer recommends."""
_SPARE: Final = 20
"""More candidates than are shown, since some may not be for sale any more."""
READING_TIMEOUT_S: Final = 15.0
TIMEOUT_S: Final = 3.0
"""How long a request waits for a graph that is still being read."""
RETRY_S: Final = 0.5
"""Between two attempts to read it."""
CLOSE_S: Final = 0.2
"""How long the end of a replica waits for an attempt that is under way."""

_PAIR: Final = np.dtype([("user", ">i4"), ("product", ">i4")])
"""What PostgreSQL's `int4send` makes of two integers."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A product to show."""

    product_id: int
    name: str
    score: float


@dataclass(frozen=True, slots=True)
class Recommendations:
    """What was computed for a user, and when."""

    items: tuple[Recommendation, ...]
    computed_at_s: float
    """Unix time."""
    cached: bool = False
    """Not computed for this answer."""


def shown(recommendations: Recommendations) -> dict[str, Any]:
    """As answers show them."""
    return {
        "items": [asdict(item) for item in recommendations.items],
        "computed_at": recommendations.computed_at_s,
        "cached": recommendations.cached,
    }


class Recommender:
    """A part of the replica: computes recommendations on the graph that it reads when first asked.

    Raises services.refusals.Unavailable when the graph or the database is not there.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        rounds: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._catalogue = database, catalogue
        self._rounds, self._now = rounds, now
        self._graph: PurchaseGraph | None = None
        self._read_once, self._end = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Nothing is read before somebody asks."""

    def close(self) -> None:
        """End, whether it was read or not."""
        with self._starting:
            self._end.set()
        if self._thread is not None:
            self._thread.join(timeout=CLOSE_S)

    def recommend(self, taste: Taste) -> Recommendations:
        """What fits this taste best and is for sale."""
        found = suggest(self.graph(), taste, rounds=self._rounds, count=COUNT + _SPARE)
        products = self._catalogue.products([suggestion.product_id for suggestion in found])
        for_sale = tuple(
            Recommendation(product.id, product.name, suggestion.score)
            for suggestion in found
            if (product := products.get(suggestion.product_id)) and product.available
        )
        return Recommendations(for_sale[:COUNT], self._now())

    def graph(self) -> PurchaseGraph:
        """The graph. Raises Unavailable while it is not there."""
        with self._starting:
            if self._thread is None and not self._end.is_set():
                self._thread = threading.Thread(target=self._load, name="purchases", daemon=True)
                self._thread.start()
        self._read_once.wait(TIMEOUT_S)
        if self._graph is None:
            raise DatabaseUnavailable("the purchases are still being read")
        return self._graph

    def _load(self) -> None:
        while self._graph is None and not self._end.is_set():
            try:
                self._graph = self._read()
                self._read_once.set()
            except Unavailable:  # the database is not there yet; its users say so
                self._end.wait(RETRY_S)
            except Exception:
                # Without this thread there would be no recommendations until the next start.
                logger.exception("reading the purchases")
                self._end.wait(READING_TIMEOUT_S)

    def _read(self) -> PurchaseGraph:
        # All purchases take longer than the statement of a request may.
        with self._database.connection() as connection, connection.allowing(READING_TIMEOUT_S):
            names: dict[int, str] = dict(connection.execute("SELECT id, name FROM products").fetchall())
            users, products = _purchases(connection)
        return build_graph(names, users, products)


def _purchases(connection: Connection) -> tuple[Indices, Indices]:
    """User and product of every purchase, as one value: half a million rows would take seconds to fetch."""
    cursor = connection.execute(
        "SELECT string_agg(int4send(user_id) || int4send(product_id), ''::bytea) FROM purchases", binary=True
    )
    row = cursor.fetchone()
    pairs = np.frombuffer((row and row[0]) or b"", dtype=_PAIR)
    return pairs["user"].astype(np.int64), pairs["product"].astype(np.int64)
