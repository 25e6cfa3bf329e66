"""What the shopper and its ledger rely on from the twins: headers, words, paths, numbers.

The twins have a contract of their own (`services/contract.py`) and know nothing of the load; a test
holds the two to each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

# -- headers ------------------------------------------------------------------------------------
POD_HEADER: Final = "Statefall-Pod"
BOOT_HEADER: Final = "Statefall-Boot"
SESSION_HEADER: Final = "Statefall-Session"
VERSION_HEADER: Final = "Statefall-Version"


class SessionStatus(StrEnum):
    """What the service says of the session that a request came with (`Statefall-Session`)."""

    KNOWN = "known"
    NEW = "new"
    LOST = "lost"
    EXPIRED = "expired"
    DEGRADED = "degraded"


class ErrorCode(StrEnum):
    """`error.code` of an answer that refuses."""

    BAD_REQUEST = "bad_request"
    BAD_CREDENTIALS = "bad_credentials"
    UNAUTHENTICATED = "unauthenticated"
    SESSION_LOST = "session_lost"
    SESSION_EXPIRED = "session_expired"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_LARGE = "too_large"
    THROTTLED = "throttled"
    STORE_UNAVAILABLE = "store_unavailable"
    DATABASE_UNAVAILABLE = "database_unavailable"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


# -- paths --------------------------------------------------------------------------------------
LOGIN: Final = "/login"  # POST {"user": str, "password": str}
PROFILE: Final = "/profile"  # GET
PREFERENCES: Final = "/preferences"  # PUT {"preferences": {str: str}}, merged into what is there; a write
CART_ITEMS: Final = "/cart/items"  # POST {"product_id": int, "quantity": int, "cart"?: client cart}; a write
CART_TOTAL: Final = "/cart/total"  # POST {"cart"?: client cart}
CART_VALIDATE: Final = "/cart/validate"  # POST {"cart"?: client cart}; `valid`, `errors`, what can be bought
DASHBOARD: Final = "/dashboard"  # GET
ACTIVITY: Final = "/activity"  # POST {"action": str}; a write; the last 10 are kept
CONVERSATION: Final = "/conversation"  # POST {"text": str}; a write; GET shows what is kept. Stateful only
ORDERS: Final = "/orders"  # GET ?page=int; past orders, newest first. Stateful only
RECOMMENDATIONS: Final = "/recommendations"  # GET; `items`, best first
PRODUCT: Final = "/products/<int:product_id>"  # GET
PRODUCTS: Final = "/products"  # GET ?page=int
WEBSOCKET: Final = "/ws"  # a WebSocket, opened with the session's cookie; see below. Stateful only

# -- over the WebSocket -----------------------------------------------------------------------------
OWN_CHANNEL: Final = "user:{user_id}"
"""Reaches all connections of a user, who are subscribed as long as they are open. Everybody may publish."""


class Reach(StrEnum):
    """How far a published message went (`reach`)."""

    EVERYWHERE = "everywhere"
    """To this replica's subscribers, and to the store for those of the others."""
    HERE = "here"
    """To this replica's subscribers alone: the store did not take it."""


# -- numbers that client and service share --------------------------------------------------------
ACTIVITY_WINDOW: Final = 10
"""How many recent actions an answer of ACTIVITY and DASHBOARD lists under `recent_activity`."""
CONVERSATION_WINDOW: Final = 20
"""How many exchanges a conversation keeps; CONVERSATION lists their texts under `conversation`."""


def conversation_digest(texts: Iterable[str]) -> str:
    """What CONVERSATION answers under `digest`: of the kept texts, oldest first, each with a line end.

    A client that knows what it said knows what the digest must be. The first 16 hexadecimal digits of
    a SHA-256; texts hold no line ends.
    """
    return hashlib.sha256("".join(f"{text}\n" for text in texts).encode()).hexdigest()[:16]
