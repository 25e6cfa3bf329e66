"""What a cluster must do for an experiment, whichever cluster it is.

Words are those of Kubernetes. A *pod* is one replica with a name, a UID and an address; its
*container* may die and be restarted in place (same UID and address, higher restart count); a
deleted pod gets a successor with a new name, UID and address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from foundation.clock import Instant
from foundation.errors import StatefallError
from foundation.terms import Balancer, Service, StateDesign


class ClusterError(StatefallError):
    """The cluster did not do what it was asked (a pod never became ready, a fault had no target)."""


class EvictionRefused(ClusterError):
    """A disruption budget does not let the pod go yet: ask again after `retry_after_s` seconds."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a cluster needs of its surroundings, as `statefall doctor` tells it."""

    name: str
    fine: bool
    words: str
    """What was found; where it is missing, how to mend it."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One service to run: what a cell of the plan asks of the cluster."""

    name: str
    """Unique in the run, a DNS label, for example `c1-stateful-sticky`."""
    service: Service
    state: StateDesign
    balancer: Balancer
    replicas: int
    grace_s: float = 10.0
    """Termination grace period: from the delete to SIGKILL, preStop included."""
    pre_stop_s: float = 1.0
    """How long preStop waits, so that endpoints are withdrawn before SIGTERM."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """More environment for the replicas (`STATEFALL_*`)."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as last seen."""

    name: str
    uid: str
    address: str
    """`host:port` of the service's HTTP server."""
    container_id: str
    """Changes with every start of the container."""
    restart_count: int
    ready: bool
    """Passes its readiness probe and is not terminating: gets new sessions."""
    serving: bool
    """Passes its readiness probe, terminating or not."""
    terminating: bool
    revision: str
    """Which pod template it was made from (the ReplicaSet's hash)."""
    node: str = ""


class Transition(StrEnum):
    """What can happen to a pod."""

    CREATED = "created"
    READY = "ready"
    UNREADY = "unready"
    CONTAINER_EXITED = "container_exited"
    CONTAINER_STARTED = "container_started"
    TERMINATING = "terminating"
    GONE = "gone"
    ENDPOINTS = "endpoints"
    """The balancer was told a new set of endpoints."""


@dataclass(frozen=True, slots=True)
class PodTransition:
    """One change of one pod, when it was seen."""

    transition: Transition
    pod: Pod
    at: Instant
    detail: str = ""
    """For an exit: how it ended (`signal 9`, `exit 0`); else empty."""


Listener = Callable[[PodTransition], None]


class Cluster(Protocol):
    """Runs one deployment at a time with its balancer, database, store and load generator.

    Calls are made from one thread; listeners are called from a thread of the cluster's own, in
    order. Methods raise `foundation.errors.EnvironmentUnfit` when the surroundings lack something
    and `ClusterError` when the cluster does not do what it was asked.
    """

    kind: str
    """`local` or `kubernetes`."""

    def open(self) -> None:
        """Start or find what all deployments share: database with its data, store, balancer."""

    def close(self) -> None:
        """Remove everything that `open` and `deploy` made. Idempotent; safe at any moment."""

    def fingerprint(self) -> Mapping[str, str]:
        """Versions and sizes that explain a result (balancer, store, database, cores, kernel)."""

    def deploy(self, deployment: Deployment, *, timeout_s: float = 60.0) -> None:
        """Run it and return once every replica is ready and the balancer routes to it."""

    def withdraw(self) -> None:
        """Remove the running deployment and its route, forcefully; a no-op when none runs."""

    def pods(self) -> tuple[Pod, ...]:
        """All pods of the deployment, terminating ones included, in order of creation."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on every transition from now on; the returned call ends it."""

    def metrics(self, pod: Pod) -> str:
        """The pod's own metrics in the Prometheus text format."""

    def kill(self, pod: Pod) -> None:
        """SIGKILL every process of the pod's container; the pod restarts it in place."""

    def delete(self, pod: Pod, *, grace_s: float | None = None) -> None:
        """Delete the pod (with the deployment's grace period unless given); a successor is made."""

    def evict(self, pod: Pod) -> None:
        """Ask once for the pod's eviction; a successor is made. Raises EvictionRefused while it must wait."""

    def drainable(self) -> tuple[str, ...]:
        """The nodes with replicas of the deployment and nothing that all of them need, in order of name."""

    def cordon(self, node: str) -> tuple[Pod, ...]:
        """Let no new pod onto the node; returns the deployment's pods that are there and stay there."""

    def uncordon(self, node: str) -> None:
        """Let pods onto a cordoned node again."""

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        """Set the number of replicas; returns the pods chosen to go (scale-in), else nothing."""

    def roll(self) -> None:
        """Begin a rolling update to a new revision of the same service (one surge, none unavailable)."""

    def undo(self) -> None:
        """Begin to roll back to the revision before."""

    def stop_store(self) -> None:
        """Make the session store unreachable; its content survives."""

    def pause_store(self, duration_s: float) -> None:
        """Have the session store take commands and answer none for so long; it goes on by itself."""

    def start_store(self) -> None:
        """Bring the session store back and wait until it answers."""

    def start_load(self, config: bytes) -> str:
        """Start the load generator with its JSON configuration; returns its control URL once it answers."""

    def load_end(self) -> str:
        """How the load generator ended of itself, in words; empty while it lives, or where nobody knows."""

    def stop_load(self) -> None:
        """End the load generator's processes; a no-op when none runs."""
