"""What a fault must never do: checked against the pods as they are, in the moment before the act."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from statefall.clusters.protocol import ClusterError, Pod
from statefall.records.faults import PlannedFault


def victims(fault: PlannedFault, pods: Sequence[Pod]) -> tuple[Pod, ...]:
    """The pods that the fault will hit: its ordinals among the ready ones, in order of creation.

    Raises ClusterError when there are too few: a fault that would hit pods that are already down
    (or the same pod twice) would not be the fault that the plan describes.
    """
    if not fault.kind.takes_victims:
        return ()
    ready = [pod for pod in pods if pod.ready]
    if fault.ordinals and max(fault.ordinals) >= len(ready):
        raise ClusterError(
            f"fault {fault.fault} ({fault.kind}) is drawn for pod number {max(fault.ordinals) + 1}, "
            f"but only {len(ready)} pods are ready"
        )
    return tuple(ready[ordinal] for ordinal in fault.ordinals)


def on_node(fault: PlannedFault, pods: Sequence[Pod], drainable: Collection[str]) -> tuple[Pod, ...]:
    """The pods that a drain will hit: all on the node of the first drawn pod whose node may be drained.

    Raises ClusterError when there is none: every node carries a part that the experiment needs.
    """
    ready = [pod for pod in pods if pod.ready]
    drawn = [ready[ordinal].node for ordinal in fault.ordinals if ordinal < len(ready)]
    node = next((node for node in drawn if node in drainable), None)
    if node is None:
        raise ClusterError(
            f"fault {fault.fault} ({fault.kind}): no node carries replicas and nothing that all of them need"
        )
    return tuple(pod for pod in pods if pod.node == node and not pod.terminating)


def replicas_after(fault: PlannedFault, replicas: int) -> int:
    """The number of replicas that the deployment should have once the fault is over.

    Raises ClusterError when a scale-in would leave none.
    """
    after = replicas + fault.kind.traits.grows * fault.count
    if after < 1:
        raise ClusterError(
            f"fault {fault.fault}: {fault.kind} by {fault.count} leaves none of {replicas} replicas"
        )
    return after
