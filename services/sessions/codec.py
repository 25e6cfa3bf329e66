"""How a session is written when it leaves the process: serialised, then encrypted and authenticated.

All of it is sealed, not a list of sensitive fields, so that a field that somebody adds later is not
forgotten; a store keeps only counters and times in the clear beside it (see `records`). The key and
the counters are part of what is sealed: whoever can write to the store can neither pass one user's
session off as another's nor an old one as the newest.
"""

from __future__ import annotations

import base64
import hmac
import logging
from typing import Final

import msgpack
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import TypeAdapter

from services.refusals import Unavailable
from services.sessions.session import Session
from services.settings import Serialisation

_PURPOSE: Final = b"statefall session at rest 1"
_SESSION: Final = TypeAdapter(Session)


class Unreadable(Unavailable):
    """A session that none of our keys opens: it is kept as it is, and not called lost."""


class SessionCodec:
    """Seals with the first key and opens with any, so that keys can be changed while sessions live."""

    def __init__(self, keys: tuple[str, ...], serialisation: Serialisation) -> None:
        self._fernet = MultiFernet([Fernet(_fernet_key(key)) for key in keys])
        self._serialisation = serialisation

    def seal(self, session: Session) -> bytes:
        """The session as a store may keep it and a network may see it."""
        return self._fernet.encrypt(serialise(session, self._serialisation))

    def open(self, sealed: bytes, key: str, version: int, epoch: int) -> Session:
        """The session that is said to have this key, version and epoch. Raises Unreadable."""
        try:
            session = deserialise(self._fernet.decrypt(sealed))
        except (InvalidToken, ValueError) as error:  # pydantic's and msgpack's errors are ValueErrors
            raise _unreadable(key, type(error).__name__) from error
        if (session.key, session.version, session.epoch) != (key, version, epoch):
            raise _unreadable(key, "what is sealed is another session or version than the record says")
        return session


def serialise(session: Session, serialisation: Serialisation) -> bytes:
    """The session in the clear."""
    if serialisation is Serialisation.JSON:
        return _SESSION.dump_json(session)
    packed: bytes = msgpack.packb(_SESSION.dump_python(session, mode="json"))
    return packed


def deserialise(document: bytes) -> Session:
    """The session that either serialisation wrote. Raises ValueError."""
    # A session is a mapping: JSON begins with a brace then, and MessagePack never does.
    if document.startswith(b"{"):
        return _SESSION.validate_json(document)
    return _SESSION.validate_python(msgpack.unpackb(document))


def _unreadable(key: str, reason: str) -> Unreadable:
    logging.getLogger(__name__).error("session %.8s cannot be read: %s", key, reason)
    return Unreadable("this session cannot be read here")


def _fernet_key(key: str) -> bytes:
    # A key of its own for each purpose, and of the length that Fernet wants.
    return base64.urlsafe_b64encode(hmac.digest(key.encode(), _PURPOSE, "sha256"))
