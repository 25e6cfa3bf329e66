"""The last writes of a session, so that one that comes again is answered as the first time.

A write is kept inside the session and changed in the same step as what it wrote, so it is wherever the
session is: after a move, a hand-over or a failover too. Kept is not the answer but what the write took
away, and a digest of the operation's id. An answer is a pure function of the session, so the session is
rewound to that write and answered again. Why: docs/decisions/0072-a-repeated-write.md.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from services.sessions.protocol import Change
from services.sessions.session import Session
from services.sessions.undo import Write
from services.shop.cart import Cart

REMEMBERED_WRITES: Final = 8
"""How many a session keeps, those without an id included; an older one that comes again is a new one."""
_DIGEST_BYTES: Final = 9
"""72 bits: what would have to meet by chance are two ids of the same session."""

_Item = TypeVar("_Item")


class Repeated(Exception):
    """This operation was applied before; the change was not made again. Never leaves `stateful.lookup`."""


def operation_digest(name: str) -> str:
    """What stands for an operation's name, 12 characters."""
    digest = hashlib.sha256(name.encode()).digest()[:_DIGEST_BYTES]
    return base64.urlsafe_b64encode(digest).decode()


def remembering(change: Change, operation: str, at_s: float) -> Change:
    """The change, once: it raises Repeated where the session knows the operation; "" is never known."""

    def once(session: Session) -> Session:
        if _knows(session, operation):
            raise Repeated
        changed = change(session)
        write = _write(session, changed, operation, at_s)
        return replace(changed, writes=(*session.writes, write)[-REMEMBERED_WRITES:])

    return once


def as_answered(session: Session, operation: str) -> Session | None:
    """The session as it was just after this operation, whose write is then the last; None if unknown."""
    if not _knows(session, operation):
        return None
    while session.writes[-1].operation != operation:
        session = _rewound(session)
    return session


def _knows(session: Session, operation: str) -> bool:
    return bool(operation) and any(write.operation == operation for write in session.writes)


def _write(before: Session, after: Session, operation: str, at_s: float) -> Write:
    talked = before.conversation.exchanges, after.conversation.exchanges
    said = before.conversation.count != after.conversation.count
    return Write(
        operation,
        at_s,
        None if before.activity == after.activity else _dropped(before.activity, after.activity),
        _dropped(*talked) if said else None,
        None if before.preferences == after.preferences else before.preferences,
        None if before.cart == after.cart else _replaced(before.cart, after.cart),
    )


def _dropped(before: Sequence[_Item], after: Sequence[_Item]) -> tuple[_Item, ...]:
    """What fell out of a window at its old end when one was appended."""
    return tuple(before[: len(before) + 1 - len(after)])


def _replaced(before: Cart, after: Cart) -> Cart:
    """The line that was changed, as it was; nothing where one was appended."""
    return tuple(old for old, new in zip(before, after, strict=False) if old != new)


def _rewound(session: Session) -> Session:
    """The session before its last write."""
    last, talk = session.writes[-1], session.conversation
    if last.exchanges is not None:
        talk = replace(talk, exchanges=(*last.exchanges, *talk.exchanges[:-1]), count=talk.count - 1)
    return replace(
        session,
        activity=session.activity if last.actions is None else (*last.actions, *session.activity[:-1]),
        conversation=talk,
        preferences=session.preferences if last.preferences is None else last.preferences,
        cart=session.cart if last.lines is None else _cart_before(session.cart, last.lines),
        writes=session.writes[:-1],
        version=session.version - 1,
    )


def _cart_before(cart: Cart, lines: Cart) -> Cart:
    if not lines:
        return cart[:-1]
    old = {line.product_id: line for line in lines}
    return tuple(old.get(line.product_id, line) for line in cart)
