"""What not every cluster can do: which part each capability is, what asks for it, and why it takes more.

Which cluster has which is said in one place, its entry in `statefall.clusters.registry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, cast

from statefall.clusters.protocol import (
    Balancing,
    Cluster,
    Evictions,
    Nodes,
    Pausing,
    ReadinessControl,
    Rollback,
    SessionStore,
    Slowing,
    Workers,
)
from statefall.records.errors import InputError
from statefall.records.faults import FaultKind, Verb
from statefall.records.terms import Balancer


class Capability(StrEnum):
    """Something that a cluster may lack."""

    STORE = "store"
    """Its session store can be stopped, paused and started: `SessionStore`."""
    PAUSE = "pause"
    """Its pods can be made to stand still: `Pausing`."""
    SLOWING = "slowing"
    """Its pods and its store can be given a part of the time: `Slowing`."""
    WORKERS = "workers"
    """Single processes of a pod can be killed: `Workers`."""
    READINESS = "readiness"
    """Its readiness probes can be made to fail: `ReadinessControl`."""
    BALANCER = "balancer"
    """Its balancer can be restarted and reloaded: `Balancing`."""
    EVICTIONS = "evictions"
    """A disruption budget decides on evictions: `Evictions`."""
    NODES = "nodes"
    """It has more than one node, and lets them be cordoned: `Nodes`."""
    ROLLBACK = "rollback"
    """It keeps revisions: `Rollback`."""
    CLIENT_AFFINITY = "client affinity"
    """It can spread requests by client address, below layer 7."""
    PORT_RANGE = "port range"
    """It listens on ports of this machine, and can be held to some of them."""


PARTS: Final[Mapping[Capability, type]] = MappingProxyType(
    {
        Capability.STORE: SessionStore,
        Capability.PAUSE: Pausing,
        Capability.SLOWING: Slowing,
        Capability.WORKERS: Workers,
        Capability.READINESS: ReadinessControl,
        Capability.BALANCER: Balancing,
        Capability.EVICTIONS: Evictions,
        Capability.NODES: Nodes,
        Capability.ROLLBACK: Rollback,
    }
)
"""The Protocol that a cluster with the capability fulfils; the others are about how it deploys, or opens."""
REASONS: Final[Mapping[Capability, str]] = MappingProxyType(
    {
        Capability.STORE: "a session store of the cluster's own",
        Capability.PAUSE: "its processes are sent SIGSTOP",
        Capability.SLOWING: "processes of this machine are stopped and go on ten times a second",
        Capability.WORKERS: "the worker is found among the processes of this machine",
        Capability.READINESS: "the readiness probe is the tool's own there, and the kubelet's elsewhere",
        Capability.BALANCER: "the balancer is a process of the tool's own there",
        Capability.EVICTIONS: "a disruption budget decides on evictions",
        Capability.NODES: "a disruption budget decides on evictions, and there must be another node",
        Capability.ROLLBACK: "revisions are kept to go back to",
        Capability.CLIENT_AFFINITY: "it is the affinity of a Service, below layer 7",
        Capability.PORT_RANGE: "its processes listen on this machine",
    }
)
_OF_A_VERB: Final[Mapping[Verb, Capability]] = MappingProxyType(
    {
        Verb.PAUSE: Capability.PAUSE,
        Verb.EVICT: Capability.EVICTIONS,
        Verb.DRAIN: Capability.NODES,
        Verb.STOP_STORE: Capability.STORE,
        Verb.PAUSE_STORE: Capability.STORE,
        Verb.FLUSH_STORE: Capability.STORE,
        Verb.SLOW: Capability.SLOWING,
        Verb.SLOW_STORE: Capability.SLOWING,
        Verb.KILL_WORKER: Capability.WORKERS,
        Verb.WITHHOLD_READINESS: Capability.READINESS,
        Verb.ROLL_BADLY: Capability.READINESS,
        Verb.RESTART_BALANCER: Capability.BALANCER,
        Verb.RELOAD_BALANCER: Capability.BALANCER,
    }
)


@dataclass(frozen=True, slots=True)
class Need:
    """Something in an experiment that takes a capability."""

    capability: Capability
    what: str
    """In words: the fault `evict`."""
    where: str
    """Where the user wrote it."""
    instead: str = ""
    """What a cluster without the capability can do in its place."""


def needs_of_fault(kind: FaultKind) -> tuple[Need, ...]:
    """What this fault takes beyond what every cluster does."""
    capability = _OF_A_VERB.get(kind.traits.verb)
    if capability is None:
        return ()
    return (Need(capability, f"the fault `{kind}`", "faults", "delete" if kind.traits.keeps_budget else ""),)


def needs_of_balancer(balancer: Balancer, *, where: str = "matrix.balancer") -> tuple[Need, ...]:
    """What this balancer takes beyond what every cluster does."""
    if balancer is not Balancer.CLIENT_IP:
        return ()
    return (Need(Capability.CLIENT_AFFINITY, f"the balancer `{balancer}`", where, "sticky"),)


def store_of(cluster: Cluster) -> SessionStore:
    """The cluster's session store. Raises InputError where it has none to take away."""
    return cast(SessionStore, _part(cluster, Capability.STORE))


def pausing_of(cluster: Cluster) -> Pausing:
    """The cluster, as one whose pods can be paused. Raises InputError."""
    return cast(Pausing, _part(cluster, Capability.PAUSE))


def slowing_of(cluster: Cluster) -> Slowing:
    """The cluster, as one that can slow processes down. Raises InputError."""
    return cast(Slowing, _part(cluster, Capability.SLOWING))


def workers_of(cluster: Cluster) -> Workers:
    """The cluster, as one whose pods' workers can be killed. Raises InputError."""
    return cast(Workers, _part(cluster, Capability.WORKERS))


def readiness_of(cluster: Cluster) -> ReadinessControl:
    """The cluster, as one whose readiness probes can be made to fail. Raises InputError."""
    return cast(ReadinessControl, _part(cluster, Capability.READINESS))


def balancing_of(cluster: Cluster) -> Balancing:
    """The cluster, as one whose balancer can be restarted. Raises InputError."""
    return cast(Balancing, _part(cluster, Capability.BALANCER))


def evictions_of(cluster: Cluster) -> Evictions:
    """The cluster, as one with disruption budgets. Raises InputError."""
    return cast(Evictions, _part(cluster, Capability.EVICTIONS))


def nodes_of(cluster: Cluster) -> Nodes:
    """The cluster's nodes. Raises InputError where they cannot be cordoned."""
    return cast(Nodes, _part(cluster, Capability.NODES))


def _part(cluster: Cluster, capability: Capability) -> object:
    if isinstance(cluster, PARTS[capability]):
        return cluster
    raise InputError(f"the cluster `{cluster.kind}` lacks {capability}: {REASONS[capability]}")
