"""The words that name a cell: which twin, where its sessions live, how requests are spread."""

from __future__ import annotations

from enum import StrEnum


class Service(StrEnum):
    """Which twin."""

    STATELESS = "stateless"
    STATEFUL = "stateful"


class StateDesign(StrEnum):
    """Where a session lives; `client` belongs to the stateless twin, the others to the stateful one."""

    CLIENT = "client"
    MEMORY = "memory"
    HANDOFF = "handoff"
    WRITE_THROUGH = "write-through"
    EXTERNAL = "external"
    REPLICATED = "replicated"


class Balancer(StrEnum):
    """How requests are spread: round robin, sticky cookie, or by client address below layer 7."""

    PLAIN = "plain"
    STICKY = "sticky"
    CLIENT_IP = "client-ip"
