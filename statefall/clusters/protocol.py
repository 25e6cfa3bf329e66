"""What a cluster does for an experiment, whichever cluster it is: small Protocols, and what they speak of.

`Cluster` is what all of them do. The Protocols below it (`SessionStore`, `Pausing`, ...) are parts that one
may lack: `statefall.clusters.capabilities` names them, the registry says which cluster has which.

Words are those of Kubernetes. A *pod* is one replica with a name, a UID and an address; its
*container* may die and be restarted in place (same UID and address, higher restart count); a
deleted pod gets a successor with a new name, UID and address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from statefall.records.cells import CellSpec
from statefall.records.clock import Instant
from statefall.records.errors import StatefallError
from statefall.records.load import LoadConfig


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
    message: str
    """What was found; where it is missing, how to mend it."""


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


class Surroundings(Protocol):
    """What all deployments of a run share."""

    @property
    def kind(self) -> str:
        """Its name in the registry: the value of `--cluster`."""

    def open(self) -> None:
        """Start or find what all deployments share: database with its data, store, balancer."""

    def close(self) -> None:
        """Remove everything that `open` and `deploy` made. Idempotent; safe at any moment."""

    def fingerprint(self) -> Mapping[str, str]:
        """Versions and sizes that explain a result (balancer, store, database, cores, kernel)."""


class Deployments(Protocol):
    """One deployment at a time, with its route."""

    def deploy(self, deployment: CellSpec, *, timeout_s: float = 60.0) -> None:
        """Run it and return once every replica is ready and the balancer routes to it."""

    def withdraw(self) -> None:
        """Remove the running deployment and its route, forcefully; a no-op when none runs."""

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        """Set the number of replicas; returns the pods chosen to go (scale-in), else nothing."""

    def roll(self) -> None:
        """Begin a rolling update to a new revision of the same service (one surge, none unavailable)."""


class PodObservation(Protocol):
    """What the deployment's pods are and what happens to them."""

    def pods(self) -> tuple[Pod, ...]:
        """All pods of the deployment, terminating ones included, in order of creation."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on every transition from now on; the returned call ends it."""

    def metrics(self, pod: Pod) -> str:
        """The pod's own metrics in the Prometheus text format."""


class PodFaults(Protocol):
    """What is done to single pods."""

    def kill(self, pod: Pod) -> None:
        """SIGKILL every process of the pod's container; the pod restarts it in place."""

    def delete(self, pod: Pod, *, grace_s: float | None = None) -> None:
        """Delete the pod (with the deployment's grace period unless given); a successor is made."""


class LoadHost(Protocol):
    """Where the load generator runs."""

    def start_load(self, config: LoadConfig) -> str:
        """Start the load generator; returns its control URL once it answers.

        An empty `target` becomes the address of the running deployment.
        """

    def load_end(self) -> str:
        """How the load generator ended of itself, in words; empty while it lives, or where nobody knows."""

    def stop_load(self) -> None:
        """End the load generator's processes; a no-op when none runs."""


class SeparateLoadHost(LoadHost, Protocol):
    """A load host by itself, for clusters that have none of their own."""

    def close(self) -> None:
        """End what runs, and give back all that was taken for it. Idempotent."""


class Cluster(Surroundings, Deployments, PodObservation, PodFaults, LoadHost, Protocol):
    """Runs one deployment at a time with its balancer, database, store and load generator.

    Calls are made from one thread, `metrics` also from others, several at once; listeners are called from
    a thread of the cluster's own, in order. Methods raise `statefall.records.errors.EnvironmentUnfit` when
    the surroundings lack something and `ClusterError` when the cluster does not do what it was asked.
    """


@runtime_checkable
class SessionStore(Protocol):
    """A session store beside the replicas that can be taken away."""

    def stop_store(self) -> None:
        """Make the session store unreachable; its content survives."""

    def pause_store(self, duration_s: float) -> None:
        """Have the session store take commands and answer none for so long; it goes on by itself."""

    def start_store(self) -> None:
        """Bring the session store back and wait until it answers."""

    def flush_store(self) -> None:
        """Have the session store forget everything; returns once it has."""


@runtime_checkable
class Pausing(Protocol):
    """Pods that can be made to stand still."""

    def pause(self, pod: Pod) -> None:
        """SIGSTOP every process of the pod's container; returns once they were seen to stand still."""

    def resume(self, pod: Pod) -> None:
        """Have a paused pod go on; a no-op when it is gone or was not paused."""


@runtime_checkable
class Slowing(Protocol):
    """Processes that can be given a fifth of the time."""

    def slow(self, pod: Pod) -> None:
        """Stop and go, for every process of the pod's container; returns once they stood still first."""

    def end_slowness(self, pod: Pod) -> None:
        """Full speed again; a no-op when the pod is gone or was not slowed."""

    def slow_store(self) -> None:
        """The same for the session store."""

    def end_slowness_of_store(self) -> None:
        """Full speed again; a no-op when it was not slowed."""


@runtime_checkable
class Workers(Protocol):
    """Processes below a pod's first one."""

    def kill_worker(self, pod: Pod) -> None:
        """SIGKILL the eldest child of the container's first process; returns once it is gone."""


@runtime_checkable
class ReadinessControl(Protocol):
    """ReadinessControl probes whose verdict can be withheld."""

    def withhold_readiness(self, pod: Pod) -> None:
        """Have every probe of the pod fail from now on."""

    def give_readiness_back(self, pod: Pod) -> None:
        """Have the probes say again what the pod answers; a no-op when it is gone."""

    def roll_badly(self) -> None:
        """Begin a rolling update to a revision that never gets ready."""

    def undo_bad_roll(self) -> None:
        """Begin to go back to the revision before; a no-op when none was rolled badly."""


@runtime_checkable
class Balancing(Protocol):
    """A balancer that can be restarted and reloaded."""

    def restart_balancer(self) -> None:
        """Tell it to end, start it again; returns once requests follow its route again."""

    def reload_balancer(self) -> None:
        """Have it take up another configuration with the same route; returns once it has."""


@runtime_checkable
class Evictions(Protocol):
    """Deletions that a disruption budget decides on."""

    def evict(self, pod: Pod) -> None:
        """Ask once for the pod's eviction; a successor is made. Raises EvictionRefused while it must wait."""


@runtime_checkable
class Nodes(Protocol):
    """Nodes that can be taken out of service."""

    def drainable(self) -> tuple[str, ...]:
        """The nodes with replicas of the deployment and nothing that all of them need, in order of name."""

    def cordon(self, node: str) -> tuple[Pod, ...]:
        """Let no new pod onto the node; returns the deployment's pods that are there and stay there."""

    def uncordon(self, node: str) -> None:
        """Let pods onto a cordoned node again."""


@runtime_checkable
class Rollback(Protocol):
    """Revisions that can be gone back to."""

    def undo(self) -> None:
        """Begin to roll back to the revision before."""


@runtime_checkable
class Reachable(Protocol):
    """What runs there, reached from this machine."""

    def addresses(self) -> Mapping[str, str]:
        """URLs by name: `balancer`, and `store` and `database` where the deployed service has them."""
