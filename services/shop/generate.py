"""Generates the shop from a seed: the same parameters give the same rows, byte for byte.

Everything is drawn from uniform doubles of NumPy's PCG64, whose stream for a seed is fixed, and not
from its distributions, whose algorithms may change between releases.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.shop.passwords import hash_with_salt

GENERATOR_VERSION: Final = 1
"""Raise it whenever the rows of some parameters change, so that prepared data is made anew."""
PASSWORD: Final = "shopper"  # noqa: S105 - the password of every generated user, said openly
PASSWORD_POOL: Final = 16
"""Hashes shared by all generated users: 100,000 real ones would take half an hour and show nothing more."""
ZIPF_EXPONENT: Final = 0.9
PURCHASES_PER_USER: Final = 5
"""Mean; how many a user made follows a geometric distribution."""
EPOCH: Final = datetime(2025, 1, 1, tzinfo=UTC)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ADJECTIVES: Final = _words("Amber Brisk Coral Dusky Early Fine Grand Hazel Ivory Jolly Keen Lunar")
_NOUNS: Final = _words("Lamp Kettle Basket Chair Clock Blanket Teapot Mirror Stool Vase Shelf Rug Bowl")
_FIRST: Final = _words("Ada Ben Chloe David Emma Felix Grace Hugo Iris Jonas Klara Leo Mia Noah Olga Paul")
_LAST: Final = _words("Ahmed Berg Costa Dubois Evans Fischer Garcia Hansen Ito Jones Khan Larsen Moreau")
_THEMES: Final = ("light", "dark")
_LANGUAGES: Final = ("en", "de", "fr", "es", "pt")

Row = tuple[object, ...]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What decides every row of the generated shop."""

    seed: int = 1
    users: int = 100_000
    products: int = 10_000

    def record(self) -> str:
        """The JSON text that is stored beside the rows; equal texts mean equal rows."""
        return json.dumps({**asdict(self), "generator": GENERATOR_VERSION}, sort_keys=True)


def zipf_ranks(uniform: Doubles, size: int, exponent: float = ZIPF_EXPONENT) -> NDArray[np.int64]:
    """Ranks 1..size by a Zipf law, one for each uniform double, by inversion of the distribution."""
    cumulative = np.cumsum(np.arange(1, size + 1, dtype=np.float64) ** -exponent)
    ranks = np.searchsorted(cumulative, uniform * cumulative[-1], side="right") + 1
    bounded: NDArray[np.int64] = np.minimum(ranks, size)
    return bounded


def products(parameters: Parameters) -> Iterator[Row]:
    """Rows of `products`. Two in a hundred are not for sale; two in three are cheaper in quantity."""
    draw = _uniform(parameters, 1).random((parameters.products, 4)).tolist()
    for number, (price, breaks, depth, available) in enumerate(draw, 1):
        cents = 199 + int(price * price * 30_000)
        steps = [(5, 0.05 + 0.1 * depth), (20, 0.15 + 0.15 * depth)][: int(breaks * 3)]
        yield (
            number,
            f"{_ADJECTIVES[number % 12]} {_NOUNS[number % 13]} {number}",
            cents,
            [quantity for quantity, _ in steps],
            [max(1, round(cents * (1 - off))) for _, off in steps],
            available >= 0.02,
        )


def users(parameters: Parameters) -> Iterator[Row]:
    """Rows of `users`, ids from 1; the user name to log in with is `user<id>`."""
    draw = _uniform(parameters, 2).random((parameters.users, 5)).tolist()
    hashes = [
        hash_with_salt(PASSWORD, hashlib.sha256(f"{parameters.seed}/{number}".encode()).digest()[:16])
        for number in range(PASSWORD_POOL)
    ]
    preferences = {
        (theme, language): json.dumps({"theme": theme, "language": language})
        for theme in _THEMES
        for language in _LANGUAGES
    }
    for number, (first, last, theme, language, joined) in enumerate(draw, 1):
        yield (
            number,
            f"{_pick(_FIRST, first)} {_pick(_LAST, last)}",
            f"user{number}@shop.example",
            hashes[number % PASSWORD_POOL],
            preferences[_pick(_THEMES, theme), _pick(_LANGUAGES, language)],
            ["shop"],
            EPOCH - timedelta(minutes=int(joined * 1_000_000)),
        )


def purchases(parameters: Parameters) -> Iterator[Row]:
    """Rows of `purchases`, ordered by user, products by Zipf popularity."""
    random = _uniform(parameters, 3)
    keep = 1 - 1 / (PURCHASES_PER_USER + 1)
    counts = np.floor(np.log1p(-random.random(parameters.users)) / np.log(keep)).astype(np.int64)
    buyers = np.repeat(np.arange(1, parameters.users + 1), counts)
    bought = zipf_ranks(random.random(len(buyers)), parameters.products)
    quantities = 1 + np.floor(random.random(len(buyers)) ** 3 * 5).astype(np.int64)
    minutes = np.floor(random.random(len(buyers)) * 525_600).astype("timedelta64[m]")
    times = np.datetime_as_string(np.datetime64("2025-01-01T00:00") + minutes, timezone="UTC")
    return zip(buyers.tolist(), bought.tolist(), quantities.tolist(), times.tolist(), strict=True)


def _uniform(parameters: Parameters, table: int) -> np.random.Generator:
    """A stream of its own for each table, so that one table's size does not change another's rows."""
    return np.random.Generator(np.random.PCG64([parameters.seed, table]))


def _pick(words: tuple[str, ...], uniform: float) -> str:
    return words[int(uniform * len(words))]
