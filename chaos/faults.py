"""The faults: what each is called, whom it hits and what it does to a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """Every fault, by the name that experiment files and records use."""

    KILL = "kill"
    """SIGKILL of the container's processes; the pod restarts it in place, with an empty memory."""
    DELETE = "delete"
    """Graceful deletion: preStop, SIGTERM, grace period; a successor comes at a new address."""
    DELETE_NOW = "delete-now"
    """Deletion with a grace period of 0: no warning; a successor comes at a new address."""
    EVICT = "evict"
    """Eviction through the API, asked for until the disruption budget allows it; then as a deletion."""
    DRAIN = "drain"
    """A node takes no new pods, and those on it are evicted, as many at a time as the budget allows."""
    SCALE_IN = "scale-in"
    """Fewer replicas; the cluster picks who goes, gracefully."""
    SCALE_OUT = "scale-out"
    """More replicas."""
    ROLL = "roll"
    """A rolling update to a new revision: one surge, none unavailable."""
    STORE_OUTAGE = "store-outage"
    """The session store refuses connections for a while; its content survives."""
    STORE_HANG = "store-hang"
    """The session store takes connections and commands and answers none for a while, then all of them."""

    @property
    def hits_store(self) -> bool:
        """Whether it is done to the session store, for as long as its duration, and to no pod."""
        return self in {FaultKind.STORE_OUTAGE, FaultKind.STORE_HANG}

    @property
    def takes_victims(self) -> bool:
        """Whether the victims are drawn by the plan (else the cluster picks them, or there are none)."""
        return self in {FaultKind.KILL, FaultKind.DELETE, FaultKind.DELETE_NOW, FaultKind.EVICT}

    @property
    def keeps_budget(self) -> bool:
        """Whether it goes only as far as a disruption budget allows, which Kubernetes alone has."""
        return self in {FaultKind.EVICT, FaultKind.DRAIN}


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault as the plan fixes it, before any pod exists."""

    fault: str
    """Id within the cell: `f1`, `f2`, ..."""
    kind: FaultKind
    at_s: float
    """Seconds after the start of the fault phase."""
    ordinals: tuple[int, ...]
    """Victims: positions in the list of ready pods, oldest first, at the moment of the act.

    Of a drain: all positions, in the order in which these pods' nodes are tried.
    """
    count: int
    grace_s: float | None
    duration_s: float
