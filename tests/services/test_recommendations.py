"""Item-based collaborative filtering, on graphs small enough to do by hand."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from services.shop.recommendations import DAMPING, PurchaseGraph, Taste, build_graph, kind_of, suggest

NAMES = {10: "Amber Lamp 10", 20: "Brisk Kettle 20", 30: "Coral Lamp 30", 40: "Dusky Rug 40", 50: "Vase"}
# Three users bought the lamp 10, two the kettle 20, one the lamp 30, one (a fourth) the rug 40; nobody 50.
BASKETS = {1: [10, 20], 2: [10, 20, 30], 3: [10], 7: [40]}


def graph_of(baskets: dict[int, list[int]], names: dict[int, str] = NAMES) -> PurchaseGraph:
    pairs = [(user, product) for user, bought in baskets.items() for product in bought]
    users, products = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return build_graph(names, users, products)


GRAPH = graph_of(BASKETS)


def scores(taste: Taste, rounds: int = 1, count: int = 5) -> dict[int, float]:
    return {found.product_id: found.score for found in suggest(GRAPH, taste, rounds=rounds, count=count)}


def test_likeness_is_the_cosine_of_who_bought() -> None:
    """Of the lamp 10: to the kettle 2 / sqrt(3 * 2), to the lamp 30 1 / sqrt(3 * 1)."""
    found = scores(Taste(((10, 1),)))
    assert found[20] == pytest.approx(DAMPING * 2 / sqrt(6))
    assert found[30] == pytest.approx(DAMPING / sqrt(3))
    assert found[40] == 0


def test_likeness_to_several_products_adds_up_by_pieces() -> None:
    """Lamp 10 once, kettle 20 twice, so with weights 1/2 and 1; the kettle's own sum is the highest."""
    found = scores(Taste(((10, 1), (20, 2))))
    highest = 1 + 0.5 * 2 / sqrt(6)
    assert found[30] == pytest.approx(DAMPING * (0.5 / sqrt(3) + 1 / sqrt(2)) / highest)


def test_what_was_bought_is_not_recommended_and_best_sellers_fill_the_list() -> None:
    assert list(scores(Taste(((10, 1),)))) == [20, 30, 40, 50]
    assert list(scores(Taste(((40, 1),)))) == [10, 20, 30, 50]
    assert list(scores(Taste(()))) == [10, 20, 30, 40, 50]
    assert list(scores(Taste(()), count=2)) == [10, 20]


def test_a_further_round_reaches_further() -> None:
    """Nobody bought both the kettle and the rug, but one who bought the lamp 30 bought both of others."""
    chain = graph_of({1: [10, 20], 2: [20, 30]})
    taste = Taste(((10, 1),))
    first = {found.product_id: found.score for found in suggest(chain, taste, rounds=1, count=2)}
    second = {found.product_id: found.score for found in suggest(chain, taste, rounds=2, count=2)}
    assert first[30] == 0
    # After one round: 10 has DAMPING + (1 - DAMPING) = 1, 20 has DAMPING / sqrt(2) = a. After two:
    # 10 has 1 + a / sqrt(2), 20 has a + 1 / sqrt(2), 30 has a / sqrt(2), all over the highest.
    a = DAMPING / sqrt(2)
    highest = max(1 + a / sqrt(2), a + 1 / sqrt(2))
    assert second[30] == pytest.approx(DAMPING * (a / sqrt(2)) / highest)
    assert second[20] == pytest.approx(DAMPING * (a + 1 / sqrt(2)) / highest)


def test_the_favourite_kind_counts_double() -> None:
    plain, fond = scores(Taste(((10, 1),))), scores(Taste(((10, 1),), favourite="LAMP"))
    assert fond[30] == pytest.approx(2 * plain[30])
    assert fond[20] == plain[20]
    assert list(fond) == [30, 20, 40, 50]
    assert scores(Taste(((10, 1),), favourite="spaceship")) == plain


def test_equal_scores_are_ordered_by_id() -> None:
    graph = graph_of({1: [10, 20, 30, 40], 2: [10, 20, 30, 40]})
    assert [found.product_id for found in suggest(graph, Taste(((30, 1),)), rounds=3, count=3)] == [
        10,
        20,
        40,
    ]


def test_a_purchase_counts_once_however_often_it_was_made() -> None:
    again = graph_of({**BASKETS, 1: [10, 20, 20, 10]})
    for mine, theirs in ((GRAPH.edge_users, again.edge_users), (GRAPH.buyers, again.buyers)):
        assert mine.tolist() == theirs.tolist()


def test_products_that_the_graph_does_not_know_are_ignored() -> None:
    assert scores(Taste(((10, 1), (999, 5)))) == scores(Taste(((10, 1),)))
    unknown = graph_of({1: [10, 999], 2: [10]})
    assert unknown.buyers.tolist() == [2, 0, 0, 0, 0]


def test_a_product_that_nobody_else_bought_says_nothing() -> None:
    assert list(scores(Taste(((50, 1),)), count=3)) == [10, 20, 30]
    assert set(scores(Taste(((50, 1),))).values()) == {0.0}


def test_an_empty_shop_recommends_nothing() -> None:
    empty = graph_of({}, {})
    assert suggest(empty, Taste(((10, 1),)), rounds=3, count=5) == ()


def test_kinds_are_the_words_of_names() -> None:
    assert [kind_of(name) for name in ("Amber Lamp 17", "Vase", "", "17")] == ["lamp", "vase", "", ""]
