"""The shapes of answers, as models: only to describe them, no answer is built from these.

Amounts of money are numbers with two decimals, times are Unix times in seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.contract import ACTIVITY_WINDOW, CONVERSATION_WINDOW, ErrorCode
from services.shop.accounts import MAX_PREFERENCES
from services.shop.cart import MAX_LINES
from services.shop.cart_validation import CartFault
from services.shop.catalogue import PAGE_SIZE
from services.shop.history import RECENT
from services.shop.recommender import COUNT

Amount = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Id = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Preferences = Annotated[dict[str, str], Field(max_length=MAX_PREFERENCES)]
Actions = Annotated[list[str], Field(max_length=ACTIVITY_WINDOW)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(_Answer):
    """Why a request was refused."""

    code: ErrorCode
    message: str


class Error(_Answer):
    """A refusal."""

    error: ErrorDetail


class Live(_Answer):
    """The process answers."""

    live: Literal[True]


class Ready(_Answer):
    """Whether everything that a request needs answers, and what does not."""

    ready: bool
    failing: list[str]


class PriceBreak(_Answer):
    """From this quantity on, one costs so much."""

    from_quantity: Id
    unit_price: Amount


class ProductShown(_Answer):
    """A product."""

    product_id: Id
    name: str
    unit_price: Amount
    price_breaks: list[PriceBreak]
    available: bool


class ProductPage(_Answer):
    """A page of products, best selling first."""

    page: Id
    page_size: Id
    products: Annotated[list[ProductShown], Field(max_length=PAGE_SIZE)]


class SessionAnswer(_Answer):
    """What every answer to a logged-in user says."""

    user_id: Id
    version: Count
    """Writes applied in this session."""
    degraded: bool = False
    """True while the session store is away: the answer rests on the database alone."""


class TokenAnswer(SessionAnswer):
    """An answer that hands over the session anew."""

    token: str


class LoggedIn(SessionAnswer):
    """A session has begun."""

    name: str
    preferences: Preferences
    expires_in: Count


class LoggedInWithToken(LoggedIn, TokenAnswer):
    """A session has begun, and the client holds it."""


class Profile(SessionAnswer):
    """Who the user is."""

    name: str
    email: str
    preferences: Preferences
    permissions: list[str]


class SessionProfile(Profile):
    """Who the user is, and since when."""

    login_at: Seconds
    last_activity_at: Seconds


class PreferencesChanged(SessionAnswer):
    """All preferences after the change."""

    preferences: Preferences


class PreferencesChangedWithToken(PreferencesChanged, TokenAnswer):
    """All preferences after the change."""


class PricedLine(_Answer):
    """A line of a cart at current prices."""

    product_id: Id
    name: str
    quantity: Id
    unit_price: Amount
    line_total: Amount
    added_at: Seconds


class PricedCart(SessionAnswer):
    """A cart at current prices, in the order of first adds."""

    lines: Annotated[list[PricedLine], Field(max_length=MAX_LINES)]
    total: Amount
    calculated_at: Seconds


class TravellingLine(_Answer):
    """A line of a cart that the client keeps."""

    product_id: Id
    quantity: Id
    unit_price: Amount
    added_at: Seconds


class TravellingCart(_Answer):
    """A cart that the client keeps and sends back."""

    lines: Annotated[list[TravellingLine], Field(max_length=MAX_LINES)]


class CartHandedOver(PricedCart, TokenAnswer):
    """The changed cart, for the client to keep."""

    cart: TravellingCart


class CartError(_Answer):
    """What is wrong with a line of a cart."""

    error: CartFault
    product_id: int
    """As it was sent: an unknown product can have any number."""
    message: str


class CartChecked(PricedCart):
    """Whether a cart can be bought as it is; `lines` and `total` are of what can be bought."""

    valid: bool
    errors: list[CartError]


class Bought(_Answer):
    """A product of the past."""

    product_id: Id
    name: str
    quantity: Id


class Dashboard(SessionAnswer):
    """What a user sees first."""

    name: str
    preferences: Preferences
    recent_activity: Actions
    recent_purchases: Annotated[list[Bought], Field(max_length=RECENT)]


class SessionDashboard(Dashboard):
    """What a user sees first."""

    cart_items: Count


class Acted(SessionAnswer):
    """An action was recorded; the oldest comes first."""

    recent_activity: Actions
    message: str


class ActedWithToken(Acted, TokenAnswer):
    """An action was recorded; the oldest comes first."""


class Recommended(_Answer):
    """A product that the user may like."""

    product_id: Id
    name: str
    score: Annotated[float, Field(ge=0)]


class RecommendationsShown(SessionAnswer):
    """Products that the user may like, best first."""

    items: Annotated[list[Recommended], Field(max_length=COUNT)]
    computed_at: Seconds
    cached: bool


class Conversation(SessionAnswer):
    """What is kept of a conversation."""

    digest: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    exchange_count: Count
    conversation: Annotated[list[str], Field(max_length=CONVERSATION_WINDOW)]


class Replied(Conversation):
    """A reply that rests on what is kept of the conversation."""

    reply: str


class ExchangeShown(_Answer):
    """A text and its reply."""

    text: str
    reply: str


class Recalled(Conversation):
    """What is kept of a conversation, with the replies."""

    exchanges: Annotated[list[ExchangeShown], Field(max_length=CONVERSATION_WINDOW)]


class Order(Bought):
    """A past order."""

    bought_at: Seconds


class ConnectionShown(_Answer):
    """The session's own database connection."""

    opened_at: Seconds
    uses: Id


class OrderPage(SessionAnswer):
    """A page of past orders, newest first."""

    page: Id
    orders: list[Order]
    connection: ConnectionShown
