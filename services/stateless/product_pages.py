"""The pages of best sellers through the shared cache, the first of them warmed when a replica starts.

Everybody opens these pages first, and after a deployment everybody does so at once: with the cache
warmed, the database does not notice. Carts never read from here; they are priced from the database.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from typing import Final

from prometheus_client import Counter

from services.metrics import Cached, Metrics
from services.refusals import Unavailable
from services.shop.catalogue import Catalogue
from services.shop.pricing import Product
from services.stateless.caching import StatelessServiceWithCaching, common_key

WARMED_PAGES: Final = 5
"""A hundred products of ten thousand; by the law of their popularity two fifths of all interest is theirs."""
RETRY_S: Final = 0.5
"""Between two attempts to warm while the database is not there yet."""


class CachedProductPages:
    """Pages of products. Raises Unavailable when neither cache nor database answers."""

    def __init__(self, catalogue: Catalogue, cache: StatelessServiceWithCaching, ttl_s: float) -> None:
        self._catalogue, self._cache, self._ttl_s = catalogue, cache, ttl_s

    def page(self, number: int) -> list[Product]:
        """As `Catalogue.page`, at most `ttl_s` old."""
        cached = self._cache.find(Cached.PRODUCT_PAGE, _key(number), _load)
        return cached if cached is not None else self.refresh(number)

    def refresh(self, number: int) -> list[Product]:
        """The page from the database, kept in the cache."""
        page = self._catalogue.page(number)
        self._cache.keep(_key(number), _dump(page), self._ttl_s)
        return page


class CacheWarmer:
    """A part of the replica: fetches the common pages once, in the background, as soon as it can."""

    def __init__(self, pages: CachedProductPages, metrics: Metrics) -> None:
        self._pages = pages
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._warm, name="cache-warmer", daemon=True)
        self._warmed = Counter(
            "statefall_cache_warmed",
            "Entries put into the shared cache at the start, before anybody asked.",
            ["cache"],
            registry=metrics.registry,
        ).labels(Cached.PRODUCT_PAGE.value)

    def open(self) -> None:
        """Begin; does not wait."""
        self._thread.start()

    def close(self) -> None:
        """End, warmed or not."""
        self._end.set()
        self._thread.join(timeout=5.0)

    def _warm(self) -> None:
        todo = list(range(1, WARMED_PAGES + 1))
        while todo and not self._end.is_set():
            try:
                self._pages.refresh(todo[0])
            except Unavailable:
                self._end.wait(RETRY_S)
                continue
            self._warmed.inc()
            del todo[0]


def _key(number: int) -> str:
    return common_key(Cached.PRODUCT_PAGE, str(number))


def _dump(page: list[Product]) -> bytes:
    return json.dumps([asdict(product) for product in page], separators=(",", ":")).encode()


def _load(document: bytes) -> list[Product]:
    return [
        Product(**{**fields, "breaks": tuple((quantity, cents) for quantity, cents in fields["breaks"])})
        for fields in json.loads(document)
    ]
