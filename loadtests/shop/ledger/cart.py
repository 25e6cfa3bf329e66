"""The promised cart: pieces of each product. A counter of the shop's, which knows versions besides."""

from __future__ import annotations

from collections.abc import Mapping

from statefall.ledger.deviation import Deviation
from statefall.ledger.kinds.counter import CounterPromise
from statefall.ledger.kinds.known_writes import KnownWrites
from statefall.records.verdicts import Verdict

from .answer import AddToCart


class CartPromise:
    """Quantities that were acknowledged, and adds whose outcome is unknown."""

    __slots__ = ("_counter",)

    def __init__(self, owner: int | None = None, others: KnownWrites | None = None) -> None:
        """`others`: what all sessions of the process wrote, by user; without it nothing proves a leak."""
        self._counter = CounterPromise("cart", owner=owner, others=others)

    @property
    def holds_anything(self) -> bool:
        """Whether a read of the cart can show that a promise was kept."""
        return self._counter.holds_anything

    @property
    def products(self) -> tuple[int, ...]:
        """Products that are promised to be in the cart, first add first."""
        return tuple(key for key in self._counter.keys if isinstance(key, int))

    def acknowledge(self, write: AddToCart) -> None:
        """The add was answered."""
        self._counter.acknowledged(write.product_id, write.quantity)

    def leave_open(self, write: AddToCart) -> None:
        """The add was sent and not answered."""
        add = self._counter.add(write.product_id, write.quantity)
        add.begin()
        add.leave_open()

    def close_open(self) -> None:
        """The version showed that every open add was applied."""
        self._counter.all_applied()

    def adopt(self, lines: Mapping[int, int] | None) -> None:
        """A deviation was told, or the session begins: what was not seen is excused when it is seen."""
        if lines is None:
            self._counter.excuse_next()

    def begin_with(self, lines: Mapping[int, int]) -> None:
        """What the login showed."""
        self._counter.started_with(lines)

    def check(self, lines: Mapping[int, int]) -> list[Deviation]:
        """Hold the cart that was seen to the promise. Whether all is lost is for the version to say."""
        return [_part(deviation) for deviation in self._counter.check(lines)]


def _part(deviation: Deviation) -> Deviation:
    lost = deviation.verdict is Verdict.LOST
    return Deviation(Verdict.ROLLED_BACK, deviation.evidence) if lost else deviation
