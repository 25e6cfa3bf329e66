"""What the session cookie holds: a secret id, whose session it is, and where it lives.

The id alone opens the session. The rest is there for the replica that does not know the session:
it can say whether the id was forged, and whether the session's home was another pod or an earlier
boot of this one. When another replica takes the session over, the client gets a new cookie with the
new home and the number of that move, the epoch: a replica that still has a copy from before sees by
it that the copy is stale. A MAC covers all of it; stores see only a digest of the id, so that a dump
of one opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from typing import Final

ID_BYTES: Final = 24
"""192 bits of the operating system's random source."""
_TAG_BYTES: Final = 6
_MAC_BYTES: Final = 16
_PURPOSE: Final = b"statefall session cookie 1"


class Forged(Exception):
    """The cookie is not one that we made."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A session cookie's content."""

    secret_id: str = field(repr=False)
    user_id: int
    pod_tag: str
    boot_tag: str
    epoch: int = 0
    """How often the session had changed its owner when this was written."""

    @property
    def key(self) -> str:
        """Under which stores keep the session."""
        return hashlib.sha256(self.secret_id.encode()).hexdigest()


def tag(name: str) -> str:
    """A short stand-in for the name of a pod or boot: tells two apart, and does not spell it out."""
    return hashlib.sha256(name.encode()).hexdigest()[: 2 * _TAG_BYTES]


class Tickets:
    """Makes and checks session cookies. The first key signs, all verify."""

    def __init__(self, keys: tuple[str, ...], pod: str, boot: str) -> None:
        # A key of its own for each purpose: a token's signature must never pass as a cookie's.
        self._keys = [hmac.digest(key.encode(), _PURPOSE, "sha256") for key in keys]
        self.pod_tag, self.boot_tag = tag(pod), tag(boot)

    def issue(self, user_id: int) -> Ticket:
        """A ticket for a new session that begins here."""
        return Ticket(secrets.token_urlsafe(ID_BYTES), user_id, self.pod_tag, self.boot_tag)

    def renewed(self, ticket: Ticket, epoch: int) -> str:
        """The cookie of a session that was taken over by this replica."""
        return self.write(replace(ticket, pod_tag=self.pod_tag, boot_tag=self.boot_tag, epoch=epoch))

    def write(self, ticket: Ticket) -> str:
        """The cookie's value."""
        words = (ticket.secret_id, ticket.user_id, ticket.pod_tag, ticket.boot_tag, ticket.epoch)
        content = ".".join(str(word) for word in words)
        return f"{content}.{_mac(self._keys[0], content)}"

    def read(self, value: str) -> Ticket:
        """The ticket of a cookie. Raises Forged."""
        content, _, mac = value.rpartition(".")
        signed = [key for key in self._keys if hmac.compare_digest(_mac(key, content).encode(), mac.encode())]
        if not signed:
            raise Forged
        secret_id, user_id, pod_tag, boot_tag, epoch = content.split(".")
        return Ticket(secret_id, int(user_id), pod_tag, boot_tag, int(epoch))


def _mac(key: bytes, content: str) -> str:
    return hmac.digest(key, content.encode(), "sha256")[:_MAC_BYTES].hex()
