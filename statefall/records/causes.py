"""Why a session was lost, as the record of what happened tells it."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """One for each lost session."""

    POD_KILLED = "pod_killed"
    POD_DELETED = "pod_deleted"
    SCALED_IN = "scaled_in"
    ROLLED_OUT = "rolled_out"
    EVICTED = "evicted"
    DRAINED = "drained"
    POD_CRASHED = "pod_crashed"
    """Its home exited and nobody had asked for it."""
    STORE_LOST = "store_lost"
    REROUTED = "rerouted"
    """Another replica answered while the session's home lived."""
    NEAR_FAULT = "near_fault"
    """Seen after a fault, where nobody can say who answered: a cause by time alone."""
    EXPIRED = "expired"
    """Its time to live had passed."""
    UNEXPLAINED = "unexplained"
