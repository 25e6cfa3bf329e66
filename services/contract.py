"""The contract that both twins speak and that the shopper relies on: paths, headers, codes.

Every authenticated answer is a JSON object with `user_id` (int) and `version` (int). An answer
that hands state to the client carries it as `token` (send it as `Authorization: Bearer`) and
`cart` (send it back in the body of later cart requests); a client keeps what it was handed last.
An error is `{"error": {"code": ..., "message": ...}}`. Another method than those of a path is answered
with 405 and `Allow`.

A write that was answered with 200 and comes again with the same `Statefall-Operation` id on the same
route is answered as the first time and not applied, while it is among the last 8 writes of its session
(with a token: docs/decisions/0072-a-repeated-write.md). A login is no such write.
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
OPERATION_HEADER: Final = "Statefall-Operation"
SESSION_COOKIE: Final = "statefall_session"


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
LIVE: Final = "/live"
READY: Final = "/ready"
METRICS: Final = "/metrics"

LOGIN: Final = "/login"  # POST {"user": str, "password": str}; 503 with Retry-After where it is full
LOGOUT: Final = "/logout"  # POST {}
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
OPENAPI: Final = "/openapi.json"  # GET; the description of this contract as the twin fulfils it

# -- over the WebSocket -----------------------------------------------------------------------------
# Text messages, each a JSON object with `type`. A client sends (`id` comes back in the answer):
#   subscribe   channel                  -> subscribed: channel, messages (recent), positions
#   unsubscribe channel                  -> unsubscribed: channel (never the user's own: an error)
#   publish     channel, text, id?       -> published: channel, stream, number, reach, id
#   chat        text, id?                -> reply: text, count, remembered, version, degraded?, id
#   prefer      preferences {str: str}   -> preferences: preferences (of this connection alone)
# and is sent, unasked:
#   welcome: connection, pod, boot, user_id, version, degraded?, connected_at, preferences, and of the
#     user's own channel (`user:<id>`, to which it stays subscribed) channel, messages, positions
#   message: channel, stream, number, from (user id), text, at
#   session_lost: code (an ErrorCode), before the close
#   error: code, message, id?
# `degraded` is true, and `version` means nothing, while the session store is away: what is said then
# rests on the database alone. The answer to the opening handshake says so too (`Statefall-Session`).
# `positions` is {stream: number}: what of each stream came before. In a stream every later number
# follows the one before; one that does not shows that messages were lost.
CLOSE_GOING_AWAY: Final = 1001
"""The replica ends; connect again."""
CLOSE_TRY_LATER: Final = 1013
"""The replica has as many connections as it may."""
CLOSE_SESSION_LOST: Final = 4401
"""The session is gone; log in again."""
CLOSE_TOO_SLOW: Final = 4408
"""More messages wait than the connection may hold back; connect again."""
OWN_CHANNEL: Final = "user:{user_id}"
"""Reaches all connections of a user, who are subscribed as long as they are open. Everybody may publish."""
DEFAULT_HISTORY_LIMIT: Final = 50
MAX_HISTORY_LIMIT: Final = 200
"""How many recent messages `subscribed` brings at most: by the preference `message_history_limit`."""


class Reach(StrEnum):
    """How far a published message went (`reach`)."""

    EVERYWHERE = "everywhere"
    """To this replica's subscribers, and to the store for those of the others."""
    HERE = "here"
    """To this replica's subscribers alone: the store did not take it."""


# -- numbers that client and service share --------------------------------------------------------
SESSION_TTL: Final = "STATEFALL_SESSION_TTL_S"
"""The setting that says how many seconds a session lives without being used (a token: from its issue)."""
DEFAULT_SESSION_TTL_S: Final = 3600.0
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
