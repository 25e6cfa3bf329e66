"""How replicas speak to each other: MessagePack over HTTP, every message authenticated.

Sessions travel sealed, as they would lie in a store. Every call may be repeated: it carries epochs
and versions, and the second time changes nothing. The MAC is over the call's name and its content with
a key of its own, so a message means what its sender meant; one that is played again later is behind
the epochs that came since.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, cast

import msgpack

PREFIX: Final = "/peer/"
MAC_HEADER: Final = "Statefall-Mac"
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
BATCH: Final = 100
"""Sessions in one message."""
_PURPOSE: Final = b"statefall peer message 1"

Message = dict[str, Any]


class Call(StrEnum):
    """What one replica can ask of another."""

    COPY = "copy"  # owner, sessions [[key, epoch, version, left_s, sealed]] -> refused [key]
    TAKE = "take"  # key, taker, epoch at least, rank of a copy to promote -> session, or standing, searching
    NEWEST = "newest"  # keys -> standings, in this order
    RENEW = "renew"  # sessions [[key, epoch, version, left_s]] -> missing [key], superseded [key]
    FORGET = "forget"  # copies [[key, epoch, ended or null]] -> {}
    LEAVE = "leave"  # boot -> {} when what it owned has an owner and a copy elsewhere
    PING = "ping"  # -> boot


class Peers:
    """Signs and checks messages. The first key signs, all verify."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = [hmac.digest(key.encode(), _PURPOSE, "sha256") for key in keys]

    def mac(self, path: str, body: bytes) -> str:
        """For the header of a message."""
        return _mac(self._keys[0], path, body)

    def genuine(self, path: str, body: bytes, mac: str) -> bool:
        """Whether somebody with one of our keys wrote this."""
        return any(hmac.compare_digest(_mac(key, path, body).encode(), mac.encode()) for key in self._keys)


def pack(message: Mapping[str, Any]) -> bytes:
    """A message as bytes."""
    return cast("bytes", msgpack.packb(message))


def unpack(body: bytes) -> Message:
    """Raises ValueError when it is no message."""
    message = msgpack.unpackb(body)
    if not isinstance(message, dict):
        raise ValueError("a message is a mapping")
    return message


def _mac(key: bytes, path: str, body: bytes) -> str:
    return hmac.digest(key, path.encode() + b"\0" + body, "sha256").hex()
