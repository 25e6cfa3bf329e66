"""What each verb asks of a cluster, and what takes it back."""

from __future__ import annotations

from statefall.clusters.capabilities import (
    balancing_of,
    nodes_of,
    pausing_of,
    readiness_of,
    slowing_of,
    store_of,
    workers_of,
)
from statefall.clusters.protocol import Cluster, ClusterError, Pod
from statefall.records.faults import PlannedFault, Verb


def act(cluster: Cluster, fault: PlannedFault, targets: tuple[Pod, ...], after: int) -> tuple[Pod, ...]:
    """Carry the fault out; returns the pods that it hits, as far as they are known.

    `after`: how many replicas there shall be. Raises ClusterError when the cluster refuses.
    """
    traits = fault.kind.traits
    match traits.verb:
        case Verb.KILL:
            for pod in targets:
                cluster.kill(pod)
        case Verb.DELETE:
            for pod in targets:
                cluster.delete(pod, grace_s=fault.grace_s if traits.grace_s is None else traits.grace_s)
        case Verb.EVICT:
            pass  # asked for as often as it takes, see the executor
        case Verb.DRAIN:
            there = nodes_of(cluster).cordon(targets[0].node)
            if not there:
                raise ClusterError(f"no replica is left on node {targets[0].node}")
            return there
        case Verb.SCALE:
            return cluster.scale(after)
        case Verb.ROLL:
            cluster.roll()
        case Verb.PAUSE:
            for pod in targets:
                pausing_of(cluster).pause(pod)
        case Verb.STOP_STORE:
            store_of(cluster).stop_store()
        case Verb.PAUSE_STORE:
            store_of(cluster).pause_store(fault.duration_s)
        case Verb.SCALE_TO_ZERO:
            return cluster.scale(0)
        case Verb.FLUSH_STORE:
            store_of(cluster).flush_store()
        case Verb.KILL_WORKER:
            for pod in targets:
                workers_of(cluster).kill_worker(pod)
        case Verb.WITHHOLD_READINESS:
            for pod in targets:
                readiness_of(cluster).withhold_readiness(pod)
        case Verb.ROLL_BADLY:
            readiness_of(cluster).roll_badly()
        case Verb.SLOW:
            for pod in targets:
                slowing_of(cluster).slow(pod)
        case Verb.SLOW_STORE:
            slowing_of(cluster).slow_store()
        case Verb.RESTART_BALANCER:
            balancing_of(cluster).restart_balancer()
        case Verb.RELOAD_BALANCER:
            balancing_of(cluster).reload_balancer()
    return targets


def undo(cluster: Cluster, fault: PlannedFault, targets: tuple[Pod, ...], node: str, replicas: int) -> None:
    """Take back what would last: the store answers again, the node takes pods again, the pods go on.

    `replicas`: how many there shall be.
    """
    match fault.kind.traits.verb:
        case Verb.STOP_STORE | Verb.PAUSE_STORE:
            store_of(cluster).start_store()
        case Verb.DRAIN:
            nodes_of(cluster).uncordon(node)
        case Verb.PAUSE:
            for pod in targets:
                pausing_of(cluster).resume(pod)
        case Verb.SLOW:
            for pod in targets:
                slowing_of(cluster).end_slowness(pod)
        case Verb.SLOW_STORE:
            slowing_of(cluster).end_slowness_of_store()
        case Verb.WITHHOLD_READINESS:
            for pod in targets:
                readiness_of(cluster).give_readiness_back(pod)
        case Verb.ROLL_BADLY:
            readiness_of(cluster).undo_bad_roll()
        case Verb.SCALE_TO_ZERO:
            cluster.scale(replicas)
        case (
            Verb.KILL
            | Verb.KILL_WORKER
            | Verb.DELETE
            | Verb.EVICT
            | Verb.SCALE
            | Verb.ROLL
            | Verb.FLUSH_STORE
            | Verb.RESTART_BALANCER
            | Verb.RELOAD_BALANCER
        ):
            pass  # nothing of it lasts that the cluster does not mend itself
