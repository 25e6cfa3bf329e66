"""The faults, one entry each: whoever schedules, carries out, explains or shows one reads its traits.

A new fault is a member of `FaultKind` here. Where no `Verb` does it yet: a verb here, its two cases in
`statefall.faults.verbs`, and a method in each cluster that has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from statefall.records.causes import Cause


class Hits(StrEnum):
    """Whom a fault is done to."""

    DRAWN = "drawn"
    """Replicas that the plan draws from the seed."""
    CHOSEN = "chosen"
    """Replicas that the cluster picks."""
    NODE = "node"
    """A node, and with it the replicas that are there."""
    STORE = "store"
    """The session store, and no replica."""
    BALANCER = "balancer"
    """The balancer, and no replica."""


class Ends(StrEnum):
    """What becomes of the processes that it hits."""

    ABRUPTLY = "abruptly"
    """Without a warning."""
    GRACEFULLY = "gracefully"
    """SIGTERM, and time to act on it."""
    NOTHING = "nothing"
    """They live on."""


class Verb(StrEnum):
    """What a cluster is asked to do."""

    KILL = "kill"
    DELETE = "delete"
    EVICT = "evict"
    DRAIN = "drain"
    SCALE = "scale"
    ROLL = "roll"
    PAUSE = "pause"
    STOP_STORE = "stop store"
    PAUSE_STORE = "pause store"
    FLUSH_STORE = "flush store"
    SLOW_STORE = "slow store"
    KILL_WORKER = "kill worker"
    SLOW = "slow"
    WITHHOLD_READINESS = "withhold readiness"
    SCALE_TO_ZERO = "scale to zero"
    ROLL_BADLY = "roll badly"
    RESTART_BALANCER = "restart balancer"
    RELOAD_BALANCER = "reload balancer"


class Shows(StrEnum):
    """What must be seen before a fault counts as having happened."""

    EXIT = "exit"
    """The container of each victim exited."""
    GONE = "gone"
    """Each victim is gone."""
    READY = "ready"
    """As many new pods are ready."""
    UNREADY = "unready"
    """Each victim is not ready any more."""
    STARTED = "started"
    """As many containers were started."""
    REPLACED = "replaced"
    """No pod of the former revision is left."""
    AT_ONCE = "at once"
    """The verb itself returns only when it was seen."""


@dataclass(frozen=True, slots=True)
class FaultTraits:
    """Everything that sets one fault apart."""

    done: str
    """What was done to the replicas, in words: `killed (SIGKILL)`."""
    noun: str
    """The fault in words: `rolling update`."""
    verb: Verb
    hits: Hits
    ends: Ends
    shows: Shows
    effect: str
    """What is seen, in words: `{node}`, `{duration}`, `{revision}` and `{count}` are the fault's own."""
    cause: Cause | None = None
    """Of a session whose home it ended; none where it ends nothing."""
    grace_s: float | None = None
    """The grace period that belongs to it; none: the deployment's."""
    takes_grace: bool = False
    """An experiment may give it a grace period."""
    lasts: bool = False
    """For its duration: then it is undone, as it is at the end of the cell."""
    grows: int = 0
    """How the number of replicas changes with each of its count: 1, -1 or not at all."""
    keeps_pods: bool = False
    """The pods that it hits stay: a container is restarted in place, or goes on."""
    keeps_budget: bool = False
    """It goes only as far as a disruption budget allows, which Kubernetes alone has."""
    takes_all: bool = False
    """All replicas go at once: nothing that they hold among themselves is left."""
    forgets: bool = False
    """What the session store held is gone."""


class FaultKind(StrEnum):
    """Every fault, by the name that experiment files and records use."""

    traits: FaultTraits

    def __new__(cls, name: str, traits: FaultTraits) -> FaultKind:
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.traits = traits
        return kind

    KILL = "kill", FaultTraits(
        "killed (SIGKILL)", "SIGKILL", Verb.KILL, Hits.DRAWN, Ends.ABRUPTLY, Shows.EXIT,
        "container exited", Cause.POD_KILLED, keeps_pods=True,
    )  # fmt: skip
    """SIGKILL of the container's processes; the pod restarts it in place, with an empty memory."""
    DELETE = "delete", FaultTraits(
        "deleted", "deletion", Verb.DELETE, Hits.DRAWN, Ends.GRACEFULLY, Shows.GONE,
        "pod gone", Cause.POD_DELETED, takes_grace=True,
    )  # fmt: skip
    """Graceful deletion: preStop, SIGTERM, grace period; a successor comes at a new address."""
    DELETE_NOW = "delete-now", FaultTraits(
        "deleted without grace", "deletion without grace", Verb.DELETE, Hits.DRAWN, Ends.ABRUPTLY, Shows.GONE,
        "pod gone", Cause.POD_DELETED, grace_s=0.0,
    )  # fmt: skip
    """Deletion with a grace period of 0: no warning; a successor comes at a new address."""
    EVICT = "evict", FaultTraits(
        "evicted", "eviction", Verb.EVICT, Hits.DRAWN, Ends.GRACEFULLY, Shows.GONE,
        "pod gone", Cause.EVICTED, keeps_budget=True,
    )  # fmt: skip
    """Eviction through the API, asked for until the disruption budget allows it; then as a deletion."""
    DRAIN = "drain", FaultTraits(
        "drained from their node", "node drain", Verb.DRAIN, Hits.NODE, Ends.GRACEFULLY, Shows.GONE,
        "node {node} drained, pod gone", Cause.DRAINED, keeps_budget=True,
    )  # fmt: skip
    """A node takes no new pods, and those on it are evicted, as many at a time as the budget allows."""
    SCALE_IN = "scale-in", FaultTraits(
        "scaled in", "scale-in", Verb.SCALE, Hits.CHOSEN, Ends.GRACEFULLY, Shows.GONE,
        "pod gone", Cause.SCALED_IN, grows=-1,
    )  # fmt: skip
    """Fewer replicas; the cluster picks who goes, gracefully."""
    SCALE_OUT = "scale-out", FaultTraits(
        "added", "scale-out", Verb.SCALE, Hits.CHOSEN, Ends.NOTHING, Shows.READY,
        "new pod ready", grows=1,
    )  # fmt: skip
    """More replicas."""
    ROLL = "roll", FaultTraits(
        "replaced by a rolling update", "rolling update", Verb.ROLL, Hits.CHOSEN, Ends.GRACEFULLY,
        Shows.REPLACED, "{count} pods of revision {revision} replaced", Cause.ROLLED_OUT,
    )  # fmt: skip
    """A rolling update to a new revision: one surge, none unavailable."""
    PAUSE = "pause", FaultTraits(
        "paused (SIGSTOP)", "pause (SIGSTOP)", Verb.PAUSE, Hits.DRAWN, Ends.NOTHING, Shows.AT_ONCE,
        "every process stopped, for {duration:g} s", lasts=True, keeps_pods=True,
    )  # fmt: skip
    """Every process of the replica stands still for a while (SIGSTOP), and goes on with its memory intact."""
    SLOW = "slow", FaultTraits(
        "slowed down (a fifth of the time)", "slow replica", Verb.SLOW, Hits.DRAWN, Ends.NOTHING,
        Shows.AT_ONCE, "runs a fifth of the time, for {duration:g} s", lasts=True, keeps_pods=True,
    )  # fmt: skip
    """Every process of the replica gets a fifth of the time, as under a processor quota, for a while."""
    KILL_WORKER = "kill-worker", FaultTraits(
        "robbed of a worker (SIGKILL)", "SIGKILL of a worker", Verb.KILL_WORKER, Hits.DRAWN, Ends.ABRUPTLY,
        Shows.AT_ONCE, "worker process gone, container lives", Cause.POD_KILLED, keeps_pods=True,
    )  # fmt: skip
    """SIGKILL of one process that the replica's first has started; the server lives and makes another."""
    UNREADY = "unready", FaultTraits(
        "called not ready", "failing readiness", Verb.WITHHOLD_READINESS, Hits.DRAWN, Ends.NOTHING,
        Shows.UNREADY, "not ready for {duration:g} s, memory intact", lasts=True, keeps_pods=True,
    )  # fmt: skip
    """The readiness probe fails for a while though the replica is well; several of them are flapping."""
    SCALE_TO_ZERO = "scale-to-zero", FaultTraits(
        "all taken away", "scale to zero and back", Verb.SCALE_TO_ZERO, Hits.CHOSEN, Ends.GRACEFULLY,
        Shows.GONE, "no replica for {duration:g} s", Cause.SCALED_IN, lasts=True, takes_all=True,
    )  # fmt: skip
    """No replica is left for a while, then there are as many as before, all new."""
    BAD_ROLL = "bad-roll", FaultTraits(
        "rolled out badly", "rollout that never gets ready", Verb.ROLL_BADLY, Hits.CHOSEN, Ends.NOTHING,
        Shows.STARTED, "new revision started and kept from being ready, undone after {duration:g} s",
        lasts=True, keeps_pods=True,
    )  # fmt: skip
    """A rolling update whose new replicas never get ready, so that it stands still; undone after a while."""
    BALANCER_RESTART = "balancer-restart", FaultTraits(
        "cut off by a restart of the balancer", "balancer restart", Verb.RESTART_BALANCER, Hits.BALANCER,
        Ends.NOTHING, Shows.AT_ONCE, "the balancer ended, was started again and knows its endpoints",
    )  # fmt: skip
    """The balancer is told to end (SIGTERM) and started again; connections through it are cut."""
    BALANCER_RELOAD = "balancer-reload", FaultTraits(
        "balanced anew", "balancer reload", Verb.RELOAD_BALANCER, Hits.BALANCER, Ends.NOTHING,
        Shows.AT_ONCE, "the balancer took up a new configuration with the same endpoints",
    )  # fmt: skip
    """The balancer takes up another configuration that leads to the same endpoints."""
    STORE_FLUSH = "store-flush", FaultTraits(
        "robbed of what the session store held", "store flush", Verb.FLUSH_STORE, Hits.STORE, Ends.NOTHING,
        Shows.AT_ONCE, "the session store forgot everything", Cause.STORE_LOST, forgets=True,
    )  # fmt: skip
    """The session store forgets all that it holds, and goes on."""
    STORE_SLOW = "store-slow", FaultTraits(
        "served by a slow session store", "slow store", Verb.SLOW_STORE, Hits.STORE, Ends.NOTHING,
        Shows.AT_ONCE, "the session store runs a fifth of the time, for {duration:g} s",
        Cause.STORE_LOST, lasts=True,
    )  # fmt: skip
    """The session store gets a fifth of the time, as under a processor quota, for a while."""
    STORE_OUTAGE = "store-outage", FaultTraits(
        "cut off from the session store", "store outage", Verb.STOP_STORE, Hits.STORE, Ends.NOTHING,
        Shows.AT_ONCE, "the session store refuses connections, for {duration:g} s",
        Cause.STORE_LOST, lasts=True,
    )  # fmt: skip
    """The session store refuses connections for a while; its content survives."""
    STORE_HANG = "store-hang", FaultTraits(
        "left waiting by the session store", "store hang", Verb.PAUSE_STORE, Hits.STORE, Ends.NOTHING,
        Shows.AT_ONCE, "the session store answers nothing, for {duration:g} s",
        Cause.STORE_LOST, lasts=True,
    )  # fmt: skip
    """The session store takes connections and commands and answers none for a while, then all of them."""

    @property
    def hits_store(self) -> bool:
        """Whether it is done to the session store, and to no pod."""
        return self.traits.hits is Hits.STORE

    @property
    def takes_victims(self) -> bool:
        """Whether the victims are drawn by the plan (else the cluster picks them, or there are none)."""
        return self.traits.hits is Hits.DRAWN

    @property
    def keeps_budget(self) -> bool:
        """Whether it goes only as far as a disruption budget allows, which Kubernetes alone has."""
        return self.traits.keeps_budget


def traits_of(kind: str) -> FaultTraits | None:
    """The traits of a fault that a record names; None for a kind that this version does not know."""
    return next((known.traits for known in FaultKind if known.value == kind), None)


def hits_store(kind: str) -> bool:
    """Whether the fault that a record names is done to the session store."""
    traits = traits_of(kind)
    return traits is not None and traits.hits is Hits.STORE


def adds_replicas(kind: str) -> bool:
    """Whether the fault that a record names is one that makes more replicas."""
    traits = traits_of(kind)
    return traits is not None and traits.grows > 0


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
