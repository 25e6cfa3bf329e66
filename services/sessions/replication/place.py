"""Where this replica listens for the others, and under which address they reach it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_EVERY_INTERFACE: Final = {"", "0.0.0.0", "::", "[::]"}  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True)
class Place:
    """As the settings say it."""

    host: str
    port: int
    """0: any free port."""
    address: str
    """The host that others call; empty: to be found out."""
    store_url: str

    def advertised(self) -> str:
        """The host that others call. A replica that serves on every interface is called by the address
        from which it reaches the store: that is its own in the network that the replicas share.

        Raises OSError when the store's host has no address.
        """
        if self.address:
            return self.address
        if self.host not in _EVERY_INTERFACE:
            return self.host
        first = urlsplit(self.store_url).netloc.rpartition("@")[2].split(",")[0]
        host, _, port = first.partition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # Nothing is sent: connecting a datagram socket only chooses the way.
            probe.connect((host or "127.0.0.1", int(port or 6379)))
            return str(probe.getsockname()[0])
