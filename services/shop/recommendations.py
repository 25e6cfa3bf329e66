"""What a user may like, from what everybody bought: item-based collaborative filtering.

Two products are alike as far as the same users bought them: the cosine of their columns in the
matrix of users by products, which is the number of users who bought both over the root of the
product of how many bought each (Sarwar, Karypis, Konstan, Riedl: Item-based collaborative filtering
recommendation algorithms, WWW 2001). A user's score of a product is its likeness to what the user
bought. Further rounds walk on from the products found so far and back to the user's own with a fixed
share, as ItemRank does (Gori, Pucci: ItemRank, IJCAI 2007): they reach products that only a third
one links, lean more and more towards what everybody buys, and each costs as much as the first.

Everything is a pure function of its arguments and adds in a fixed order, so that two replicas, and
two twins, answer alike to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

DAMPING: Final = 0.85
"""Share of a further round that follows the likeness; the rest returns to the user's own products
(the value of PageRank and ItemRank)."""
FAVOURITE_FACTOR: Final = 2.0
"""How much more a product of the user's favourite kind counts."""

Indices = NDArray[np.int64]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Taste:
    """What is known of a user."""

    bought: tuple[tuple[int, int], ...]
    """(product id, pieces), each product once."""
    favourite: str = ""
    """A kind of product, as the last word but the number of its name; empty for none."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A product that the user has not bought, and how well it fits."""

    product_id: int
    score: float
    """0 for a best seller that fills the list of a user of whom little is known."""


@dataclass(frozen=True, slots=True, eq=False)
class PurchaseGraph:
    """Who bought what, without saying who: one edge for each user and product, users only numbered."""

    product_ids: Indices
    """Ascending; a product's position here is its number in the graph."""
    kinds: Mapping[str, Indices]
    """The numbers of the products of each kind."""
    edge_users: Indices
    edge_products: Indices
    users: int
    buyers: Indices
    """How many users bought each product."""
    best_sellers: Indices
    """All products, most buyers first, then by id."""

    @property
    def products(self) -> int:
        """How many there are."""
        return len(self.product_ids)


def build_graph(names: Mapping[int, str], user_ids: Indices, bought_ids: Indices) -> PurchaseGraph:
    """A graph of purchases (two columns of equal length; a repeated pair counts once) of these products."""
    product_ids = np.array(sorted(names), dtype=np.int64)
    known = np.isin(bought_ids, product_ids)
    _, users = np.unique(user_ids[known], return_inverse=True)
    products = np.searchsorted(product_ids, bought_ids[known])
    count = len(product_ids)
    edges = np.unique(users.astype(np.int64) * count + products)
    edge_users, edge_products = np.divmod(edges, max(1, count))
    buyers = np.bincount(edge_products, minlength=count)
    kinds: dict[str, list[int]] = {}
    for number, product_id in enumerate(product_ids.tolist()):
        kinds.setdefault(kind_of(names[product_id]), []).append(number)
    return PurchaseGraph(
        product_ids=product_ids,
        kinds={kind: np.array(numbers, dtype=np.int64) for kind, numbers in kinds.items()},
        edge_users=edge_users,
        edge_products=edge_products,
        users=int(edge_users.max()) + 1 if len(edge_users) else 0,
        buyers=buyers,
        best_sellers=np.argsort(-buyers, kind="stable"),
    )


def kind_of(name: str) -> str:
    """The kind of a product: "Amber Lamp 17" is a lamp."""
    words = [word for word in name.lower().split() if not word.isdigit()]
    return words[-1] if words else ""


def suggest(graph: PurchaseGraph, taste: Taste, *, rounds: int, count: int) -> tuple[Suggestion, ...]:
    """The `count` products that fit best, best first, then by id; best sellers fill a short list."""
    own, pieces = _own(graph, taste)
    scores = _scores(graph, own, pieces, rounds)
    favourites = graph.kinds.get(taste.favourite.lower())
    if favourites is not None:
        scores[favourites] *= FAVOURITE_FACTOR
    scores[own] = 0.0
    fitting = np.flatnonzero(scores)
    ranked = fitting[np.lexsort((fitting, -scores[fitting]))][:count].tolist()
    seen = {*ranked, *own.tolist()}
    fillers = [number for number in graph.best_sellers[: count + len(seen)].tolist() if number not in seen]
    ranked += fillers[: count - len(ranked)]
    return tuple(
        Suggestion(int(graph.product_ids[number]), round(float(scores[number]), 9)) for number in ranked
    )


def _own(graph: PurchaseGraph, taste: Taste) -> tuple[Indices, Doubles]:
    """The numbers and pieces of the products of the graph that the user bought."""
    bought = np.array(taste.bought, dtype=np.int64).reshape(-1, 2)
    known = bought[np.isin(bought[:, 0], graph.product_ids)]
    return np.searchsorted(graph.product_ids, known[:, 0]), known[:, 1].astype(np.float64)


def _scores(graph: PurchaseGraph, own: Indices, pieces: Doubles, rounds: int) -> Doubles:
    """The score of each product after so many rounds, between 0 and 1."""
    start = np.zeros(graph.products)
    if not len(own):
        return start
    start[own] = pieces / pieces.max()
    scale = np.zeros(graph.products)
    bought = graph.buyers > 0
    scale[bought] = 1 / np.sqrt(graph.buyers[bought])
    scores = start
    for _ in range(rounds):
        spread = _likeness(graph, scores, scale)
        highest = float(spread.max())
        if highest == 0.0:  # bought by nobody when the graph was read
            break
        scores = DAMPING * spread / highest + (1 - DAMPING) * start
    return scores


def _likeness(graph: PurchaseGraph, weights: Doubles, scale: Doubles) -> Doubles:
    """The cosine matrix times `weights`, without ever writing the matrix down."""
    scaled = (weights * scale)[graph.edge_products]
    by_user = np.bincount(graph.edge_users, weights=scaled, minlength=graph.users)
    by_product = np.bincount(graph.edge_products, weights=by_user[graph.edge_users], minlength=graph.products)
    likeness: Doubles = by_product * scale
    return likeness
