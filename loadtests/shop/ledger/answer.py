"""What came back for a request, reduced to what the ledger can hold a service to."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from statefall.records.events import Replica as Replica

from ..contract import (
    BOOT_HEADER,
    POD_HEADER,
    SESSION_HEADER,
    VERSION_HEADER,
    SessionStatus,
)

_POD, _BOOT = POD_HEADER.lower(), BOOT_HEADER.lower()
_SESSION, _VERSION = SESSION_HEADER.lower(), VERSION_HEADER.lower()
_LOGIN_PAGE: Final = re.compile(r"log[-_]?[io]n|sign[-_]?in|authenticate|^auth$", re.IGNORECASE)
_STATUSES = {status.value: status for status in SessionStatus}


@dataclass(frozen=True, slots=True)
class AddToCart:
    """A write: so many pieces more of a product."""

    product_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class RememberAction:
    """A write: an action appended to the window of recent ones. Its text is unique in the session."""

    action: str


@dataclass(frozen=True, slots=True)
class SetPreferences:
    """A write: preferences merged into what is there."""

    changes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Converse:
    """A write: an exchange of the conversation. Its text is unique in the session."""

    text: str


Write = AddToCart | RememberAction | SetPreferences | Converse


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that arrived whole. What it did not say is None."""

    status: int
    replica: Replica
    session: SessionStatus | None = None
    readable: bool = True
    """The body was a JSON object."""
    error: str | None = None
    """`error.code` of a refusal."""
    user_id: int | None = None
    version: int | None = None
    lines: Mapping[int, int] | None = None
    """Quantity by product."""
    recent_activity: tuple[str, ...] | None = None
    preferences: Mapping[str, str] | None = None
    conversation: tuple[str, ...] | None = None
    """What the user said, as far as it is kept."""
    name: str | None = None
    """The user's."""
    purchases: tuple[tuple[int, str, int], ...] | None = None
    """Product, its name and quantity of what the user bought last."""
    wrong_sum: str = ""
    """In words, how the prices of the cart contradict each other."""
    to_login: bool = False
    """It leads to a page to log in at, instead of an answer."""
    digest: str | None = None
    """What the service says `conversation_digest` of that is."""


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No whole answer: nothing was sent, or what was sent may or may not have been applied."""

    sent: bool
    reason: str


RequestOutcome = Answer | NoResponse


def read_answer(status: int, headers: Mapping[str, str], document: Any) -> Answer:
    """Read an answer whose header names are in lower case and whose body was parsed by `read_json`.

    What does not have the contract's type counts as not said.
    """
    fields = document if isinstance(document, dict) else {}
    error = fields.get("error")
    version = _integer(fields.get("version"))
    return Answer(
        status=status,
        replica=Replica(headers.get(_POD, ""), headers.get(_BOOT, "")),
        session=_status(headers.get(_SESSION)),
        readable=isinstance(document, dict),
        error=_text(error.get("code")) if isinstance(error, dict) else None,
        user_id=_integer(fields.get("user_id")),
        version=version if version is not None else _number(headers.get(_VERSION)),
        lines=_lines(fields.get("lines")),
        recent_activity=_texts(fields.get("recent_activity")),
        preferences=_preferences(fields.get("preferences")),
        conversation=_texts(fields.get("conversation")),
        name=_text(fields.get("name")) if "user_id" in fields else None,
        purchases=_purchases(fields.get("recent_purchases")),
        wrong_sum=_wrong_sum(fields.get("lines"), fields.get("total")),
        to_login=300 <= status < 400 and _leads_to_login(headers.get("location", "")),
        digest=_text(fields.get("digest")),
    )


def read_json(body: bytes) -> Any:
    """The body's JSON value, or None when it is not JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def _leads_to_login(location: str) -> bool:
    """By the last part of the path, as services and frameworks name it."""
    path = urlsplit(location).path.rstrip("/")
    return bool(_LOGIN_PAGE.search(path.rpartition("/")[2]))


def _status(text: str | None) -> SessionStatus | None:
    return _STATUSES.get(text) if text is not None else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _lines(value: Any) -> dict[int, int] | None:
    if not isinstance(value, list):
        return None
    quantities: dict[int, int] = {}
    for line in value:
        if not isinstance(line, dict):
            return None
        product, quantity = _integer(line.get("product_id")), _integer(line.get("quantity"))
        if product is None or quantity is None:
            return None
        quantities[product] = quantities.get(product, 0) + quantity
    return quantities


def _purchases(value: Any) -> tuple[tuple[int, str, int], ...] | None:
    if not isinstance(value, list):
        return None
    found = []
    for bought in value:
        fields = bought if isinstance(bought, dict) else {}
        product, quantity = _integer(fields.get("product_id")), _integer(fields.get("quantity"))
        name = _text(fields.get("name"))
        if product is None or name is None or quantity is None:
            return None
        found.append((product, name, quantity))
    return tuple(found)


def _wrong_sum(lines: Any, total: Any) -> str:
    """Prices have two decimals, so cents compare exactly. What shows no prices contradicts nothing."""
    due = _cents(total)
    if not isinstance(lines, list) or due is None:
        return ""
    cents = 0
    for line in lines:
        fields = line if isinstance(line, dict) else {}
        quantity = _integer(fields.get("quantity"))
        each, whole = _cents(fields.get("unit_price")), _cents(fields.get("line_total"))
        if quantity is None or each is None or whole is None:
            return ""
        if whole != quantity * each:
            return f"cart: {quantity} pieces at {each / 100:.2f} cost {whole / 100:.2f}"
        cents += whole
    return "" if due == cents else f"cart: total {due / 100:.2f} instead of {cents / 100:.2f}"


def _cents(price: Any) -> int | None:
    given = isinstance(price, int | float) and not isinstance(price, bool) and math.isfinite(price)
    return round(100 * price) if given else None


def _texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        return None
    return tuple(value)


def _preferences(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        return None
    return dict(value)
