"""What a run would touch of what stands already, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from statefall.clusters.kubernetes.attached.refusals import Found
from statefall.clusters.kubernetes.objects.pods import pod_of
from statefall.clusters.kubernetes.ownership.attachment import ROLLED
from statefall.clusters.kubernetes.ownership.lease import NAME
from statefall.clusters.protocol import Pod
from statefall.records.cells import PlannedCell
from statefall.records.faults import PlannedFault, Verb
from statefall.records.service import ServiceSpec


def preview(service: ServiceSpec, found: Found, cells: Sequence[PlannedCell]) -> list[str]:
    """A line for everything."""
    attached, workload = service.attached, found.workload
    assert attached is not None
    container = attached.container or workload.containers[0]
    pods = sorted(map(pod_of, found.pods), key=lambda pod: pod.name)
    marked = "carries the label" if found.labelled else "does not carry the label, worked on by --yes"
    return [
        f"service {service.name}: {workload.title} in namespace {attached.namespace} ({marked})",
        *_made(found),
        f"  {_uid(found)}{workload.replicas} replicas, at most {attached.most_down} down at once",
        f"  load from this machine against {attached.url}",
        *(f"  pod {pod.name}, UID {pod.uid}, node {pod.node}, {_state(pod)}" for pod in pods),
        *(line for cell in cells for line in _cell(cell, workload.replicas, container)),
        f"  while it runs: a Lease {NAME} in namespace {attached.namespace}, removed at its end",
        "  back at the end of each cell: replica count, pods' template, cordoned nodes, paused pods",
    ]


def _made(found: Found) -> Iterable[str]:
    if found.given:
        yield f"  made before the run: {', '.join(each.title for each in found.given)}"
        yield "  removed at its end: the same, with their pods"


def _uid(found: Found) -> str:
    return "" if found.given else f"UID {found.workload.uid}, "


def _state(pod: Pod) -> str:
    return "ready" if pod.ready else "terminating" if pod.terminating else "not ready"


def _cell(cell: PlannedCell, replicas: int, container: str) -> Iterable[str]:
    yield f"  cell {cell.name}:" + ("" if cell.faults else " no fault")
    for fault in cell.faults:
        yield f"    at {fault.at_s:g} s {fault.kind}: {_done(fault, replicas, container)}"


def _done(fault: PlannedFault, replicas: int, container: str) -> str:
    some = f"{fault.count} of {replicas} pods, number {', '.join(str(n + 1) for n in fault.ordinals)} by age"
    grace_s = fault.grace_s if fault.kind.traits.grace_s is None else fault.kind.traits.grace_s
    grace = "their own grace period" if grace_s is None else f"a grace period of {grace_s:g} s"
    after = replicas + fault.kind.traits.grows * fault.count
    inside = f"every process of container {container}"
    said = {
        Verb.KILL: f"SIGKILL to {inside}, in {some}",
        Verb.PAUSE: f"SIGSTOP to {inside} but the first, in {some}, for {fault.duration_s:g} s; then SIGCONT",
        Verb.DELETE: f"{some} deleted with {grace}",
        Verb.EVICT: f"{some} evicted, as a disruption budget lets them",
        Verb.DRAIN: "the node of a pod cordoned, this workload's pods on it evicted; uncordoned at the end",
        Verb.SCALE: f"scaled from {replicas} to {after} replicas; to {replicas} again after the cell",
        Verb.SCALE_TO_ZERO: f"scaled from {replicas} to 0 replicas; to {replicas} again after "
        f"{fault.duration_s:g} s",
        Verb.ROLL: f"the template's annotation {ROLLED} set, which replaces all pods; taken away after the "
        "cell, which replaces them once more",
    }
    return said.get(fault.kind.traits.verb, "refused")
