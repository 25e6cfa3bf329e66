"""The routes of the contract with their bodies, answers and refusals, and which twin has them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import BaseModel

from services import bodies, contract
from services.openapi import answers


class Twin(StrEnum):
    """Which of the two shops."""

    STATELESS = "stateless"
    STATEFUL = "stateful"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    name: str
    method: str
    path: str
    summary: str
    answer: type[BaseModel]
    """Of both twins, unless `stateless_answer` says otherwise."""
    stateless_answer: type[BaseModel] | None = None
    """The answer of the stateless twin where it is another one."""
    stateful_only: bool = False
    body: type[BaseModel] | None = None
    login: bool = True
    """Whether it needs one."""
    refusals: tuple[int, ...] = ()
    """Statuses of refusals beyond those that its body and login bring with them."""
    pages: int = 0
    """The highest page that it can be asked for; 0: it has no pages."""

    def served_by(self, twin: Twin) -> bool:
        """Whether this twin has the route."""
        return twin is Twin.STATEFUL or not self.stateful_only

    def answer_of(self, twin: Twin) -> type[BaseModel]:
        """What this twin answers."""
        return self.stateless_answer if self.stateless_answer and twin is Twin.STATELESS else self.answer

    def statuses(self) -> tuple[int, ...]:
        """The statuses of all refusals, in order."""
        # Behind every route is something that may be away, and a header of every request has a limit.
        brought = {400, 503, *((401,) if self.login else ()), *((413,) if self.body else ())}
        return tuple(sorted({*brought, *self.refusals}))


OPERATIONS: Final = (
    Operation(
        "login",
        "POST",
        contract.LOGIN,
        "Begin a session.",
        answers.LoggedIn,
        stateless_answer=answers.LoggedInWithToken,
        body=bodies.Login,
        login=False,
        refusals=(401, 429),
    ),
    Operation(
        "logout",
        "POST",
        contract.LOGOUT,
        "End the session; the stateless twin can only ask the client to forget its token.",
        answers.SessionAnswer,
        body=bodies.Nothing,
    ),
    Operation(
        "profile",
        "GET",
        contract.PROFILE,
        "Who the user is.",
        answers.SessionProfile,
        stateless_answer=answers.Profile,
        refusals=(404,),
    ),
    Operation(
        "setPreferences",
        "PUT",
        contract.PREFERENCES,
        "Merge preferences into what is there. A write.",
        answers.PreferencesChanged,
        stateless_answer=answers.PreferencesChangedWithToken,
        body=bodies.PreferenceChanges,
        refusals=(404,),
    ),
    Operation(
        "addToCart",
        "POST",
        contract.CART_ITEMS,
        "Add pieces of a product to the cart. A write.",
        answers.PricedCart,
        stateless_answer=answers.CartHandedOver,
        body=bodies.CartItem,
        refusals=(404,),
    ),
    Operation(
        "totalCart",
        "POST",
        contract.CART_TOTAL,
        "The cart at current prices.",
        answers.PricedCart,
        body=bodies.CartTotal,
        refusals=(404,),
    ),
    Operation(
        "validateCart",
        "POST",
        contract.CART_VALIDATE,
        "Check the cart against the catalogue: every fault is named, the rest is priced.",
        answers.CartChecked,
        body=bodies.CartToCheck,
    ),
    Operation(
        "dashboard",
        "GET",
        contract.DASHBOARD,
        "What a user sees first.",
        answers.SessionDashboard,
        stateless_answer=answers.Dashboard,
        refusals=(404,),
    ),
    Operation(
        "act",
        "POST",
        contract.ACTIVITY,
        "Record an action; the last ones are kept. A write.",
        answers.Acted,
        stateless_answer=answers.ActedWithToken,
        body=bodies.Activity,
        refusals=(404,),
    ),
    Operation(
        "recommendations",
        "GET",
        contract.RECOMMENDATIONS,
        "What the user may like, from what everybody bought.",
        answers.RecommendationsShown,
        refusals=(404,),
    ),
    Operation(
        "say",
        "POST",
        contract.CONVERSATION,
        "Say something; the reply rests on the last exchanges. A write.",
        answers.Replied,
        stateful_only=True,
        body=bodies.Utterance,
    ),
    Operation(
        "recall",
        "GET",
        contract.CONVERSATION,
        "What is kept of the conversation.",
        answers.Recalled,
        stateful_only=True,
    ),
    Operation(
        "orders",
        "GET",
        contract.ORDERS,
        "Past orders, read over the session's own database connection.",
        answers.OrderPage,
        stateful_only=True,
        pages=9_999,
    ),
    Operation(
        "product",
        "GET",
        contract.PRODUCT,
        "One product.",
        answers.ProductShown,
        login=False,
        refusals=(404,),
    ),
    Operation(
        "products",
        "GET",
        contract.PRODUCTS,
        "A page of products, best selling first; a page past the end is empty.",
        answers.ProductPage,
        login=False,
        pages=999_999,
    ),
    Operation("live", "GET", contract.LIVE, "Whether the process answers.", answers.Live, login=False),
    Operation(
        "ready",
        "GET",
        contract.READY,
        "Whether it wants requests: 503 when something it needs does not answer, or it is to end.",
        answers.Ready,
        login=False,
    ),
)
