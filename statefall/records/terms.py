"""The words that name a cell: which twin, where its sessions live, how requests are spread."""

from __future__ import annotations

from enum import StrEnum


class Service(StrEnum):
    """Which twin."""

    STATELESS = "stateless"
    STATEFUL = "stateful"


class StateDesign(StrEnum):
    """Where a session lives; of the twins, `client` is the stateless one, most others the stateful one."""

    CLIENT = "client"
    REPLICA = "replica"
    """In one replica's memory or on its disk; of a service that is not a twin."""
    STORE = "store"
    """In a store beside the replicas; of a service that is not a twin."""
    UNKNOWN = "unknown"
    """Nobody said; nothing is predicted."""
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
    AS_FOUND = "as-found"
    """Whatever stands in front of a service that runs already."""
