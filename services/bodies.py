"""What requests may carry: one model for each body of the contract, strict and bounded."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from services.shop.accounts import MAX_PREFERENCES
from services.shop.cart import MAX_LINES, MAX_QUANTITY, Cart, CartLine
from services.shop.cart_validation import Claim
from services.shop.catalogue import MAX_ID

# No control characters: PostgreSQL's jsonb refuses NUL, and nothing here is a multi-line text.
Text = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,31}$")]
MAX_PRICE: Final = 10_000_000
ProductId = Annotated[int, Field(ge=1, le=MAX_ID)]
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
UnixTime = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Nothing(_Body):
    """`{}`."""


class Login(_Body):
    """Credentials."""

    user: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class PreferenceChanges(_Body):
    """Preferences to merge into what is there."""

    preferences: Annotated[dict[Name, Text], Field(max_length=MAX_PREFERENCES)]


class ClientLine(_Body):
    """A line of a cart that travels."""

    product_id: ProductId
    quantity: Quantity
    # Lax: JSON has no decimals; the number's shortest text is taken.
    unit_price: Annotated[
        Decimal,
        Field(strict=False, ge=0, le=MAX_PRICE, decimal_places=2),
        WithJsonSchema({"type": "number", "minimum": 0, "maximum": MAX_PRICE, "multipleOf": 0.01}),
    ]
    added_at: UnixTime

    def line(self) -> CartLine:
        """As the cart's arithmetic wants it."""
        return CartLine(self.product_id, self.quantity, int(self.unit_price * 100), self.added_at)


class ClaimedLine(_Body):
    """A line of a cart that is to be checked: a wrong price or product is a finding, not a bad request."""

    product_id: int
    quantity: Quantity
    unit_price: Annotated[float, Field(allow_inf_nan=False)]
    added_at: UnixTime

    def claim(self) -> Claim:
        """As the check wants it; the number's shortest text is taken."""
        return Claim(self.product_id, self.quantity, Decimal(repr(self.unit_price)), self.added_at)


_Line = TypeVar("_Line", ClientLine, ClaimedLine)


def _one_line_a_product(lines: list[_Line]) -> list[_Line]:
    if len({line.product_id for line in lines}) < len(lines):
        raise ValueError("a product has one line")
    return lines


class ClientCart(_Body):
    """A cart that travels; each product has one line."""

    lines: Annotated[list[ClientLine], Field(max_length=MAX_LINES), AfterValidator(_one_line_a_product)] = []

    def cart(self) -> Cart:
        """As the cart's arithmetic wants it."""
        return tuple(line.line() for line in self.lines)


class ClaimedCart(_Body):
    """A cart that is to be checked; each product has one line."""

    lines: Annotated[list[ClaimedLine], Field(max_length=MAX_LINES), AfterValidator(_one_line_a_product)] = []

    def claims(self) -> tuple[Claim, ...]:
        """As the check wants it."""
        return tuple(line.claim() for line in self.lines)


class CartItem(_Body):
    """An item to add, with the cart to add it to where the client holds that."""

    product_id: ProductId
    quantity: Quantity
    cart: ClientCart | None = None


class CartTotal(_Body):
    """The cart to price, where the client holds it."""

    cart: ClientCart | None = None


class CartToCheck(_Body):
    """The cart to check, where the client holds it."""

    cart: ClaimedCart | None = None


class Activity(_Body):
    """Something the user did."""

    action: Text


Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Utterance(_Body):
    """What the user says in a conversation."""

    text: Line
