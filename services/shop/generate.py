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

GENERATOR_VERSION: Final = 2
"""Raise it whenever the rows of some parameters change, so that prepared data is made anew."""
PASSWORD: Final = "shopper"  # noqa: S105 - the password of every generated user, said openly
PASSWORD_POOL: Final = 16
"""Hashes shared by all generated users: 100,000 real ones would take half an hour and show nothing more."""
ZIPF_EXPONENT: Final = 0.9
PURCHASES_PER_USER: Final = 5
"""Mean; how many a user made follows a geometric distribution."""
LOYALTY: Final = 0.6
"""Share of a user's purchases that are of the user's favourite kind: what recommendations can find."""
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
    return zipf_positions(uniform, np.arange(1, size + 1, dtype=np.float64), exponent) + 1


def zipf_positions(uniform: Doubles, ranks: Doubles, exponent: float = ZIPF_EXPONENT) -> NDArray[np.int64]:
    """Positions in `ranks`, each as likely as its rank by a Zipf law, one for each uniform double."""
    cumulative = np.cumsum(ranks**-exponent)
    positions = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    bounded: NDArray[np.int64] = np.minimum(positions, len(ranks) - 1)
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
    """Rows of `purchases`, ordered by user, products by Zipf popularity.

    A user has a favourite kind, drawn as likely as purchases of that kind are: so the kinds of single
    users differ, and the popularity of products is the same law as without them.
    """
    random = _uniform(parameters, 3)
    keep = 1 - 1 / (PURCHASES_PER_USER + 1)
    counts = np.floor(np.log1p(-random.random(parameters.users)) / np.log(keep)).astype(np.int64)
    buyers = np.repeat(np.arange(1, parameters.users + 1), counts)
    bought = zipf_ranks(random.random(len(buyers)), parameters.products)
    favourites = zipf_ranks(random.random(parameters.users), parameters.products) % len(_NOUNS)
    loyal = random.random(len(buyers)) < LOYALTY
    uniform = random.random(len(buyers))
    for kind in range(len(_NOUNS)):
        chosen = loyal & (favourites[buyers - 1] == kind)
        bought[chosen] = _of_kind(kind, uniform[chosen], parameters.products)
    quantities = 1 + np.floor(random.random(len(buyers)) ** 3 * 5).astype(np.int64)
    minutes = np.floor(random.random(len(buyers)) * 525_600).astype("timedelta64[m]")
    times = np.datetime_as_string(np.datetime64("2025-01-01T00:00") + minutes, timezone="UTC")
    return zip(buyers.tolist(), bought.tolist(), quantities.tolist(), times.tolist(), strict=True)


def _of_kind(kind: int, uniform: Doubles, size: int) -> NDArray[np.int64]:
    """Ranks 1..size of one kind of product, by the same law among themselves."""
    if not len(uniform):
        return np.empty(0, dtype=np.int64)
    ranks = np.arange(kind or len(_NOUNS), size + 1, len(_NOUNS), dtype=np.int64)
    return ranks[zipf_positions(uniform, ranks.astype(np.float64))]


def _uniform(parameters: Parameters, table: int) -> np.random.Generator:
    """A stream of its own for each table, so that one table's size does not change another's rows."""
    return np.random.Generator(np.random.PCG64([parameters.seed, table]))


def _pick(words: tuple[str, ...], uniform: float) -> str:
    return words[int(uniform * len(words))]
