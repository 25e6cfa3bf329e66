"""What came back for a request, reduced to what the ledger can hold a service to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.contract import (
    BOOT_HEADER,
    POD_HEADER,
    SESSION_HEADER,
    VERSION_HEADER,
    SessionStatus,
)

_POD, _BOOT = POD_HEADER.lower(), BOOT_HEADER.lower()
_SESSION, _VERSION = SESSION_HEADER.lower(), VERSION_HEADER.lower()
_STATUSES = {status.value: status for status in SessionStatus}


@dataclass(frozen=True, slots=True)
class Replica:
    """Who answered: a pod and the start of its process."""

    pod: str
    boot: str

    def __str__(self) -> str:
        return f"{self.pod}/{self.boot}"


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
    digest: str | None = None
    """What the service says `conversation_digest` of that is."""


@dataclass(frozen=True, slots=True)
class Silence:
    """No whole answer: nothing was sent, or what was sent may or may not have been applied."""

    sent: bool
    reason: str


Outcome = Answer | Silence


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
        digest=_text(fields.get("digest")),
    )


def read_json(body: bytes) -> Any:
    """The body's JSON value, or None when it is not JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


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


def _texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        return None
    return tuple(value)


def _preferences(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        return None
    return dict(value)
