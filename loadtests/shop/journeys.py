"""What a shopper does next: the TPC-W mixes, mapped onto the routes of the contract.

TPC Benchmark W, version 1.8, gives the share of each of its 14 web interactions in three mixes
(the web interaction mix, in percent). The contract has fewer pages than TPC-W's bookstore:

| web interaction       | here                  | why                                                |
|-----------------------|-----------------------|----------------------------------------------------|
| Home                  | GET dashboard         | the page that greets the customer                  |
| New Products          | GET products          | a listing                                          |
| Best Sellers          | GET products          | a listing                                          |
| Product Detail        | GET product           | the same                                           |
| Search Request        | POST activity         | the service remembers what was looked for          |
| Search Results        | GET products          | a listing                                          |
| Shopping Cart         | POST cart/items       | TPC-W's page adds the item too                     |
| Customer Registration | PUT preferences       | writes what the service knows about the customer   |
| Buy Request           | POST cart/total       | shows the order with its prices                    |
| Buy Confirm           | POST activity         | the contract has no orders: it is remembered       |
| Order Inquiry         | GET profile           | asks who is asking                                 |
| Order Display         | GET profile           | the contract has no orders                         |
| Admin Request         | none                  | shoppers are no administrators                     |
| Admin Confirm         | none                  | shoppers are no administrators                     |

The weights of what has no counterpart (at most 0.23 %) are left out and the rest keeps its
proportions. TPC-W walks between pages by transition tables whose long-run shares are these mixes;
here each step is drawn from the mix itself. The login is not an interaction of the mix: it begins
a session. Neither are recommendations and the checking of a cart, nor the conversation and the look at
past orders, which only one of the twins has: a configuration may put each in the place of a share of
the steps.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import accumulate
from typing import Any, Final

from statefall.records.load import LoadConfig, Mix, Shopper

from . import contract
from .ledger.answer import AddToCart, Converse, RememberAction, SetPreferences, Write

ZIPF_EXPONENT: Final = 0.9
"""Popularity of the product of rank r is proportional to r ** -0.9. Breslau and others (INFOCOM 1999)
measured 0.64 to 0.83 for Web pages; sales are more skewed."""
PRODUCTS: Final = 10_000
"""In the catalogue of the generated shop; ids from 1."""
PASSWORD: Final = "shopper"  # noqa: S105 - every generated user of the demonstration shop has it
PAGES: Final = 20
"""Shoppers leaf through the first pages of a listing."""
MAX_CART_LINES: Final = 100
"""TPC-W's limit: a fuller cart only gets more pieces of what is in it."""
LONGEST_THINK: Final = 10
"""TPC-W truncates think times at ten times their mean."""
PREFERENCES: Final = ("theme", "language", "currency", "newsletter")


class Page(StrEnum):
    """A route as the shopper sees it."""

    DASHBOARD = "dashboard"
    PRODUCTS = "products"
    PRODUCT = "product"
    PROFILE = "profile"
    CART_TOTAL = "cart total"
    CART_ADD = "cart add"
    ACTIVITY = "activity"
    PREFERENCES = "preferences"
    CONVERSATION = "conversation"
    ORDERS = "orders"
    RECOMMENDATIONS = "recommendations"
    CART_VALIDATION = "cart validation"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One row of TPC-W's table, and the page that stands for it here."""

    name: str
    browsing: float
    shopping: float
    ordering: float
    page: Page | None


TPC_W: Final = (
    Interaction("Home", 29.00, 16.00, 9.12, Page.DASHBOARD),
    Interaction("New Products", 11.00, 5.00, 0.46, Page.PRODUCTS),
    Interaction("Best Sellers", 11.00, 5.00, 0.46, Page.PRODUCTS),
    Interaction("Product Detail", 21.00, 17.00, 12.35, Page.PRODUCT),
    Interaction("Search Request", 12.00, 20.00, 14.53, Page.ACTIVITY),
    Interaction("Search Results", 11.00, 17.00, 13.08, Page.PRODUCTS),
    Interaction("Shopping Cart", 2.00, 11.60, 13.53, Page.CART_ADD),
    Interaction("Customer Registration", 0.82, 3.00, 12.86, Page.PREFERENCES),
    Interaction("Buy Request", 0.75, 2.60, 12.73, Page.CART_TOTAL),
    Interaction("Buy Confirm", 0.69, 1.20, 10.18, Page.ACTIVITY),
    Interaction("Order Inquiry", 0.30, 0.75, 0.25, Page.PROFILE),
    Interaction("Order Display", 0.25, 0.66, 0.22, Page.PROFILE),
    Interaction("Admin Request", 0.10, 0.10, 0.12, None),
    Interaction("Admin Confirm", 0.09, 0.09, 0.11, None),
)


@cache
def weights(mix: Mix) -> Mapping[Page, float]:
    """The share of each page in this mix; they sum to 1."""
    shares: dict[Page, float] = {}
    for interaction in TPC_W:
        if interaction.page is not None:
            percent: float = getattr(interaction, mix.value)
            shares[interaction.page] = shares.get(interaction.page, 0.0) + percent
    whole = sum(shares.values())
    return {page: percent / whole for page, percent in shares.items()}


def session_share(mix: Mix) -> float:
    """The share of the mix's steps that use the session: all but looks at the catalogue.

    The twins' service file says it too (`session_share`): predictions of expiry rest on it.
    """
    return 1.0 - (weights(mix)[Page.PRODUCT] + weights(mix)[Page.PRODUCTS])


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a shopper does. `number` is a product, a page of a listing, or unused."""

    page: Page
    number: int = 0
    write: Write | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A step as an HTTP request. `name` groups calls of the same kind."""

    name: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None


DASHBOARD: Final = Step(Page.DASHBOARD)
CART_TOTAL: Final = Step(Page.CART_TOTAL)
CONVERSATION: Final = Step(Page.CONVERSATION)
_READS: Final = {
    Page.DASHBOARD: contract.DASHBOARD,
    Page.PROFILE: contract.PROFILE,
    Page.CONVERSATION: contract.CONVERSATION,
    Page.ORDERS: contract.ORDERS,
    Page.RECOMMENDATIONS: contract.RECOMMENDATIONS,
}


def call(step: Step, cart: Any) -> Call:
    """The request of a step. `cart` is the cart that the client holds, or None where it holds none."""
    held = {} if cart is None else {"cart": cart}
    write = step.write
    if isinstance(write, AddToCart):
        item = {"product_id": write.product_id, "quantity": write.quantity, **held}
        return Call(step.page, "POST", contract.CART_ITEMS, item)
    if isinstance(write, RememberAction):
        return Call(step.page, "POST", contract.ACTIVITY, {"action": write.action})
    if isinstance(write, SetPreferences):
        return Call(step.page, "PUT", contract.PREFERENCES, {"preferences": dict(write.changes)})
    if isinstance(write, Converse):
        return Call(step.page, "POST", contract.CONVERSATION, {"text": write.text})
    if step.page is Page.CART_TOTAL:
        return Call(step.page, "POST", contract.CART_TOTAL, held)
    if step.page is Page.CART_VALIDATION:
        return Call(step.page, "POST", contract.CART_VALIDATE, held)
    if step.page is Page.PRODUCT:
        return Call(step.page, "GET", contract.PRODUCT.replace("<int:product_id>", str(step.number)))
    if step.page is Page.PRODUCTS:
        return Call(step.page, "GET", f"{contract.PRODUCTS}?page={step.number}")
    return Call(step.page, "GET", _READS[step.page])


def login_call(user_id: int) -> Call:
    """The request that begins a session."""
    return Call("login", "POST", contract.LOGIN, {"user": f"user{user_id}", "password": PASSWORD})


@cache
def _popularity(products: int) -> tuple[float, ...]:
    return tuple(accumulate(rank**-ZIPF_EXPONENT for rank in range(1, products + 1)))


class Journey:
    """The steps and think times of one shopper, all from the shopper's own seed."""

    def __init__(self, config: LoadConfig, shopper: Shopper, products: int = PRODUCTS) -> None:
        self._random = random.Random(shopper.seed)
        self._user_id = shopper.user_id
        self._mean_think_s = config.think_time_s
        self._shares = {
            page: share
            for page, share in (
                (Page.CONVERSATION, config.conversation_share),
                (Page.ORDERS, config.orders_share),
                (Page.RECOMMENDATIONS, config.recommendations_share),
                (Page.CART_VALIDATION, config.validations_share),
            )
            if share
        }
        self._popularity = _popularity(products)
        shares = weights(config.mix)
        self._pages = tuple(shares)
        self._page_bounds = tuple(accumulate(shares.values()))
        self._number = 0

    def think_s(self) -> float:
        """The next think time: negative exponential, truncated."""
        if self._mean_think_s <= 0:
            return 0.0
        drawn = self._random.expovariate(1 / self._mean_think_s)
        return min(drawn, LONGEST_THINK * self._mean_think_s)

    def next_step(self, cart_products: tuple[int, ...] = ()) -> Step:
        """The next step. `cart_products` is what the shopper believes to have in the cart."""
        self._number += 1
        # Nothing is drawn where nothing is asked for: journeys without these steps stay as they were.
        if self._shares:
            draw = self._random.random()
            for page, share in self._shares.items():
                if draw < share:
                    return Step(page, write=self._say() if page is Page.CONVERSATION else None)
                draw -= share
        draw = self._random.random() * self._page_bounds[-1]
        page = self._pages[min(bisect_right(self._page_bounds, draw), len(self._pages) - 1)]
        if page is Page.CART_ADD:
            return Step(page, write=self._add(cart_products))
        if page is Page.ACTIVITY:
            return Step(page, write=RememberAction(f"saw {self._product()} #{self._number}"))
        if page is Page.PREFERENCES:
            name = self._random.choice(PREFERENCES)
            return Step(page, write=SetPreferences({name: f"{self._user_id}-{self._number}"}))
        if page is Page.PRODUCT:
            return Step(page, self._product())
        if page is Page.PRODUCTS:
            return Step(page, self._random.randint(1, PAGES))
        return Step(page)

    def _add(self, cart_products: tuple[int, ...]) -> AddToCart:
        product = self._product()
        if len(cart_products) >= MAX_CART_LINES and product not in cart_products:
            product = cart_products[product % len(cart_products)]
        return AddToCart(product, self._random.randint(1, 3))

    def _say(self) -> Converse:
        return Converse(f"I need {self._random.randint(1, 9)} p{self._product()}, in line {self._number}")

    def _product(self) -> int:
        """A product id; ids are ranks of popularity."""
        draw = self._random.random() * self._popularity[-1]
        return min(bisect_right(self._popularity, draw), len(self._popularity) - 1) + 1
