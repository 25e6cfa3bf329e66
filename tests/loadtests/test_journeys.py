"""What shoppers do: the published mixes, drawn from each shopper's seed alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from shop.journeys import (
    MAX_CART_LINES,
    PASSWORD,
    TPC_W,
    Journey,
    Page,
    Step,
    call,
    login_call,
    session_share,
    weights,
)
from shop.ledger.answer import AddToCart, Converse, RememberAction, SetPreferences
from statefall.conductor.services import twins
from statefall.records.load import LoadConfig, Mix, Shopper

CONFIG = LoadConfig(cell="c1", target="http://127.0.0.1:1", seed=1, shoppers=())
PRODUCTS = 1_000
BROWSE = 6
"""The first rows of TPC-W's table are its browsing interactions, the others order."""


def journey(seed: int = 1, **changes: Any) -> Journey:
    return Journey(replace(CONFIG, **changes), Shopper(0, 17, 0.0, seed), PRODUCTS)


@pytest.mark.parametrize(
    ("mix", "browsing_share"), [(Mix.BROWSING, 95.0), (Mix.SHOPPING, 80.0), (Mix.ORDERING, 50.0)]
)
def test_each_mix_has_the_published_shares_of_browsing_and_ordering(mix: Mix, browsing_share: float) -> None:
    shares = [getattr(interaction, mix.value) for interaction in TPC_W]
    assert len(shares) == 14
    assert sum(shares) == pytest.approx(100.0)
    assert sum(shares[:BROWSE]) == pytest.approx(browsing_share)


@pytest.mark.parametrize("mix", list(Mix))
def test_the_weights_sum_to_one_and_every_page_has_one(mix: Mix) -> None:
    assert sum(weights(mix).values()) == pytest.approx(1.0)
    assert set(weights(mix)) == set(Page) - {
        Page.CONVERSATION,
        Page.ORDERS,
        Page.RECOMMENDATIONS,
        Page.CART_VALIDATION,
    }  # no interactions of TPC-W


def test_the_service_file_says_which_share_of_the_steps_uses_the_session() -> None:
    assert twins().session_share == {mix.value: session_share(mix) for mix in Mix}


def test_a_share_of_the_steps_is_a_conversation_or_orders_where_that_is_asked_for() -> None:
    walk, draws = journey(conversation_share=0.3, orders_share=0.1), 20_000
    steps = [walk.next_step() for _ in range(draws)]
    looks = sum(step.page is Page.ORDERS for step in steps)
    assert looks / draws == pytest.approx(0.1, abs=5 * (0.1 * 0.9 / draws) ** 0.5)
    texts = [step.write.text for step in steps if isinstance(step.write, Converse)]
    assert len(texts) / draws == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / draws) ** 0.5)
    assert len(set(texts)) == len(texts)
    assert all(len(text) <= 200 for text in texts)
    assert not any(isinstance(journey().next_step().write, Converse) for _ in range(1000))


@pytest.mark.parametrize("mix", list(Mix))
def test_steps_are_drawn_in_the_shares_of_the_mix(mix: Mix) -> None:
    walk, draws = journey(mix=mix), 20_000
    seen = Counter(walk.next_step().page for _ in range(draws))
    for page, share in weights(mix).items():
        # Five standard deviations of the binomial share; the seed is fixed, so this cannot flicker.
        assert seen[page] / draws == pytest.approx(share, abs=5 * (share * (1 - share) / draws) ** 0.5)


def test_the_same_seed_walks_the_same_way_and_another_does_not() -> None:
    def walk(seed: int) -> list[tuple[Step, float]]:
        one = journey(seed)
        return [(one.next_step(), one.think_s()) for _ in range(200)]

    assert walk(1) == walk(1)
    assert walk(1) != walk(2)


def test_think_times_have_the_mean_asked_for_and_are_truncated_at_ten_times_it() -> None:
    walk = journey(think_time_s=0.5)
    times = [walk.think_s() for _ in range(200_000)]
    # A negative exponential truncated at ten means loses 0.05 % of its mean.
    assert sum(times) / len(times) == pytest.approx(0.5, rel=0.01)
    assert max(times) == 5.0


def test_no_think_time_means_none() -> None:
    assert journey(think_time_s=0.0).think_s() == 0.0


def test_every_action_and_preference_of_a_shopper_is_told_apart() -> None:
    walk = journey(mix=Mix.ORDERING)
    writes = [step.write for step in (walk.next_step() for _ in range(2_000))]
    actions = [write.action for write in writes if isinstance(write, RememberAction)]
    values = [v for w in writes if isinstance(w, SetPreferences) for v in w.changes.values()]
    assert len(set(actions)) == len(actions) > 100
    assert len(set(values)) == len(values) > 100


def test_popular_products_are_seen_more_often() -> None:
    walk = journey(mix=Mix.BROWSING)
    seen = Counter(
        step.number for step in (walk.next_step() for _ in range(50_000)) if step.page is Page.PRODUCT
    )
    by_popularity = [
        sum(seen[p] for p in range(a + 1, b + 1)) / (b - a) for a, b in pairwise((0, 1, 10, 100, 1_000))
    ]
    assert by_popularity == sorted(by_popularity, reverse=True)
    assert 1 <= min(seen) <= max(seen) <= PRODUCTS


def test_a_full_cart_only_gets_more_of_what_is_in_it() -> None:
    walk, full = journey(mix=Mix.ORDERING), tuple(range(1, MAX_CART_LINES + 1))
    writes = [walk.next_step(full).write for _ in range(500)]
    added = {write.product_id for write in writes if isinstance(write, AddToCart)}
    assert added
    assert added <= set(full)


def test_shares_of_the_steps_ask_for_recommendations_and_for_a_check_of_the_cart() -> None:
    walk, draws = journey(recommendations_share=0.5, validations_share=0.1), 20_000
    pages = [walk.next_step().page for _ in range(draws)]
    for page, share in ((Page.RECOMMENDATIONS, 0.5), (Page.CART_VALIDATION, 0.1)):
        assert pages.count(page) / draws == pytest.approx(share, abs=5 * (share * (1 - share) / draws) ** 0.5)


def test_the_cart_that_the_client_holds_goes_along_to_be_checked() -> None:
    assert call(Step(Page.CART_VALIDATION), [1]).body == {"cart": [1]}
    assert call(Step(Page.CART_VALIDATION), None).body == {}


@pytest.mark.parametrize(
    ("step", "method", "path"),
    [
        (Step(Page.DASHBOARD), "GET", "/dashboard"),
        (Step(Page.PROFILE), "GET", "/profile"),
        (Step(Page.PRODUCTS, 3), "GET", "/products?page=3"),
        (Step(Page.PRODUCT, 42), "GET", "/products/42"),
        (Step(Page.CART_TOTAL), "POST", "/cart/total"),
        (Step(Page.CART_ADD, write=AddToCart(1, 2)), "POST", "/cart/items"),
        (Step(Page.ACTIVITY, write=RememberAction("a")), "POST", "/activity"),
        (Step(Page.CONVERSATION, write=Converse("a")), "POST", "/conversation"),
        (Step(Page.CONVERSATION), "GET", "/conversation"),
        (Step(Page.ORDERS), "GET", "/orders"),
        (Step(Page.RECOMMENDATIONS), "GET", "/recommendations"),
        (Step(Page.CART_VALIDATION), "POST", "/cart/validate"),
        (Step(Page.PREFERENCES, write=SetPreferences({"theme": "b"})), "PUT", "/preferences"),
    ],
)
def test_a_step_is_a_request_of_the_contract(step: Step, method: str, path: str) -> None:
    request = call(step, None)
    assert (request.method, request.path) == (method, path)
    assert (request.body is None) == (method == "GET")


@pytest.mark.parametrize("step", [Step(Page.CART_TOTAL), Step(Page.CART_ADD, write=AddToCart(1, 2))])
def test_a_cart_that_the_client_holds_travels_with_the_request(step: Step) -> None:
    held = {"lines": [{"product_id": 5, "quantity": 1}]}
    body = call(step, held).body
    assert body is not None
    assert body["cart"] == held
    assert "cart" not in (call(step, None).body or {})


def test_a_shopper_logs_in_as_the_user_of_the_plan() -> None:
    assert login_call(17).body == {"user": "user17", "password": PASSWORD}
