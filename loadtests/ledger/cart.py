"""The promised cart: pieces of each product. Adds commute, so only sums can be checked."""

from __future__ import annotations

from collections.abc import Mapping

from foundation.verdicts import Verdict
from services.contract import CART_TOTAL

from .answer import AddToCart
from .deviation import Deviation


class CartPromise:
    """Quantities that were acknowledged, and adds whose outcome is unknown."""

    __slots__ = ("_least", "_open", "_promised")

    def __init__(self) -> None:
        self._promised: dict[int, int] | None = {}
        """Acknowledged quantities; None after a violation: the next sight is taken as it is."""
        self._least: dict[int, int] = {}
        """More than promised, but seen once: an open add that was applied stays applied."""
        self._open: dict[int, list[int]] = {}

    @property
    def holds_anything(self) -> bool:
        """Whether a read of the cart can show that a promise was kept."""
        return bool(self._promised)

    @property
    def products(self) -> tuple[int, ...]:
        """Products that are promised to be in the cart, first add first."""
        return tuple(self._promised or ())

    def acknowledge(self, write: AddToCart) -> None:
        """The add was answered."""
        if self._promised is None:
            return
        product = write.product_id
        self._promised[product] = self._promised.get(product, 0) + write.quantity
        if product in self._least:
            self._least[product] += write.quantity

    def leave_open(self, write: AddToCart) -> None:
        """The add was sent and not answered."""
        self._open.setdefault(write.product_id, []).append(write.quantity)

    def close_open(self) -> None:
        """The version showed that every open add was applied."""
        if self._promised is not None:
            for product, quantities in self._open.items():
                self._promised[product] = self._promised.get(product, 0) + sum(quantities)
        self._open.clear()
        self._least.clear()

    def adopt(self, lines: Mapping[int, int] | None) -> None:
        """Begin anew from what was seen, or from the next sight when nothing was."""
        self._promised = None if lines is None else dict(lines)
        self._least.clear()
        self._open.clear()

    def check(self, lines: Mapping[int, int]) -> list[Deviation]:
        """Hold the cart that was seen to the promise."""
        if self._promised is None:
            self.adopt(lines)
            return []
        if lines == self._promised and not self._least:
            return []
        deviations = []
        for product in self._promised.keys() | lines.keys():
            found = self._check_product(product, lines.get(product, 0))
            if found is not None:
                deviations.append(found)
        return deviations

    def _check_product(self, product: int, seen: int) -> Deviation | None:
        promised = (self._promised or {}).get(product, 0)
        least = self._least.get(product, promised)
        if seen == least == promised:
            return None
        if seen < least:
            return Deviation(
                Verdict.ROLLED_BACK, f"{seen} pieces of product {product} in the cart instead of {least}"
            )
        open_adds = self._open.get(product, [])
        if seen - promised in _sums(open_adds):
            self._least[product] = seen
            return None
        if promised or open_adds:
            return Deviation(
                Verdict.DUPLICATED, f"{seen} pieces of product {product} in the cart instead of {promised}"
            )
        return Deviation(Verdict.FOREIGN, f"product {product} in the cart was never added ({CART_TOTAL})")


def _sums(quantities: list[int]) -> set[int]:
    """Every sum that some of the quantities make."""
    sums = {0}
    for quantity in quantities:
        sums |= {total + quantity for total in sums}
    return sums
