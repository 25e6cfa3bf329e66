"""What must hold before anything is done to a workload that stands already. Changes nothing.

Each refusal is one line that says what is wrong, where, and how to mend it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api, Forbidden
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.attached import rights
from statefall.clusters.kubernetes.attached.commands import LOOK, Inside, inside
from statefall.clusters.kubernetes.attached.workload import KINDS, Family, FoundWorkload, find
from statefall.clusters.kubernetes.objects.given import GivenManifest
from statefall.clusters.kubernetes.objects.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    NAMESPACE,
    NODE,
    POD,
    Object,
    labels_of,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import OURS, PART_OF
from statefall.clusters.kubernetes.objects.pods import pod_of
from statefall.clusters.protocol import ClusterError
from statefall.records.cells import PlannedCell
from statefall.records.errors import EnvironmentUnfit, InputError
from statefall.records.faults import FaultKind, Hits, PlannedFault, Verb
from statefall.records.service import AttachedWorkload, ServiceSpec

ROLE_HINT: Final = "statefall doctor --cluster kubernetes FILE prints the Role"


@dataclass(frozen=True, slots=True)
class Found:
    """A workload that may be worked on, and its pods."""

    workload: FoundWorkload
    pods: tuple[Object, ...]
    labelled: bool
    """Whether its namespace carries the label."""
    given: tuple[GivenManifest, ...] = ()
    """Where it does not stand yet: what a run makes. There are no pods then."""


def refuse_unlabelled(api: Api, *, confirmed: bool) -> bool:
    """Whether the namespace carries the label. Raises InputError where it does not and nobody said yes."""
    try:
        existing = api.get(NAMESPACE, api.namespace)
    except Forbidden:
        existing = {"metadata": {}}
    if existing is None:
        raise InputError(f"there is no namespace {api.namespace}", where="service.kubernetes.namespace")
    labelled = labels_of(existing).get(PART_OF) == "statefall"
    if not labelled and not confirmed:
        raise InputError(
            f"does not carry the label {OURS}: --yes says that it may be worked on",
            where=f"namespace {api.namespace}",
            hint=f"--dry-run shows what would be done; or kubectl label namespace {api.namespace} {OURS}",
        )
    return labelled


def refuse_lacking_rights(api: Api, needed: Iterable[rights.Right]) -> None:
    """Raises EnvironmentUnfit with every verb that is missing."""
    missing = rights.lacking(api, needed)
    if missing:
        raise EnvironmentUnfit(
            f"you may not {', '.join(map(str, missing))}", where=f"namespace {api.namespace}", hint=ROLE_HINT
        )


def refuse_other_replicas(workload: FoundWorkload, replicas: int) -> None:
    """Raises InputError unless it has as many replicas as the experiment says."""
    if workload.replicas != replicas:
        raise InputError(
            f"{workload.title} has {workload.replicas} replicas, the experiment says {replicas}",
            where="replicas",
            hint="leave it out to take what stands",
        )


def faults_of(cells: Iterable[PlannedCell]) -> frozenset[FaultKind]:
    """The kinds of all their faults."""
    return frozenset(fault.kind for cell in cells for fault in cell.faults)


def look(api: Api, service: ServiceSpec, cells: Sequence[PlannedCell], *, confirmed: bool) -> Found:
    """Everything that can be asked beforehand. Raises InputError, EnvironmentUnfit."""
    attached = service.attached
    assert attached is not None
    labelled = refuse_unlabelled(api, confirmed=confirmed)
    kinds, metrics = faults_of(cells), bool(service.metrics)
    kind = KINDS.get(attached.workload)
    if kind is None:
        refuse_lacking_rights(api, rights.to_find(attached))
    else:
        refuse_lacking_rights(api, rights.to_run(attached, kind, attached.name, kinds, metrics=metrics))
    workload = find(api, attached)
    if kind is None:
        needed = rights.to_run(attached, workload.kind, workload.name, kinds, metrics=metrics)
        refuse_lacking_rights(api, needed)
    pods = _own_pods(api, workload)
    container = _container(attached, workload)
    if not workload.replicas:
        raise InputError(f"{workload.title} has no replicas: scale it first", where="service.kubernetes")
    for cell in cells:
        refuse_other_replicas(workload, cell.replicas)
        for fault in cell.faults:
            refuse_fault(fault, attached, workload)
    if any(kind.traits.verb in {Verb.SCALE, Verb.SCALE_TO_ZERO} for kind in kinds):
        _refuse_autoscaled(api, workload)
    if any(kind.traits.hits is Hits.NODE for kind in kinds):
        _refuse_undrainable(api, pods, attached)
    _refuse_unreachable(api, pods, container, kinds)
    return Found(workload, pods, labelled)


def _own_pods(api: Api, workload: FoundWorkload) -> tuple[Object, ...]:
    """Raises InputError when its selector names a pod of somebody else's too."""
    family, pods = Family(api), api.list(POD, workload.selector).items
    for pod in pods:
        if not family.belongs(pod, workload):
            raise InputError(
                f"the selector of {workload.title} ({workload.selector}) also matches pod {name_of(pod)}, "
                "which is not its own",
                where="service.kubernetes",
            )
    return pods


def _container(attached: AttachedWorkload, workload: FoundWorkload) -> str:
    wanted = attached.container or workload.containers[0]
    if wanted not in workload.containers:
        raise InputError(
            f"the pods of {workload.title} have no container {wanted}",
            where="service.kubernetes.container",
            hint=f"they have {', '.join(workload.containers)}",
        )
    return wanted


def refuse_fault(fault: PlannedFault, attached: AttachedWorkload, workload: FoundWorkload) -> None:
    """Raises InputError when it asks for more than this workload may be asked for."""
    traits, most = fault.kind.traits, attached.most_down
    if traits.hits is Hits.STORE:
        raise InputError(
            f"the fault `{fault.kind}` takes a store of the tool's own away: what stands has none",
            where="faults",
        )
    down = fault.count if traits.hits is Hits.DRAWN or traits.grows < 0 else 0
    down = workload.replicas if traits.takes_all else down
    if down > most and not traits.keeps_budget:
        raise InputError(
            f"the fault `{fault.kind}` takes {down} replicas down at once, and most_down is {most}",
            where="faults",
            hint="raise service.kubernetes.most_down if that is meant",
        )
    if traits.verb is Verb.ROLL:
        _refuse_rollout(attached, workload)


def _refuse_rollout(attached: AttachedWorkload, workload: FoundWorkload) -> None:
    key = "strategy" if workload.kind is DEPLOYMENT else "updateStrategy"
    strategy = workload.obj["spec"].get(key, {})
    kind = strategy.get("type", "RollingUpdate")
    if kind != "RollingUpdate":
        raise InputError(
            f"{workload.title} has the {key} {kind}: a rolling update is not how it is replaced",
            where="faults",
            hint="leave `roll` out",
        )
    said = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 0)
    down = _share(said, workload.replicas)
    if down > attached.most_down:
        raise InputError(
            f"a rolling update of {workload.title} takes {down} replicas down at once (maxUnavailable "
            f"{said}), and most_down is {attached.most_down}",
            where="faults",
            hint="raise service.kubernetes.most_down if that is meant",
        )


def _share(said: object, replicas: int) -> int:
    """Of `maxUnavailable`: a number, or a percentage that is rounded down."""
    text = str(said)
    return int(text[:-1]) * replicas // 100 if text.endswith("%") else int(text)


def _refuse_autoscaled(api: Api, workload: FoundWorkload) -> None:
    for autoscaler in api.list(AUTOSCALER).items:
        aim = autoscaler["spec"]["scaleTargetRef"]
        if (aim["kind"], aim["name"]) == (workload.kind.name, workload.name):
            raise InputError(
                f"the replicas of {workload.title} belong to HorizontalPodAutoscaler {name_of(autoscaler)}, "
                "which would scale against the fault",
                where="faults",
                hint="leave `scale-in` and `scale-out` out",
            )


def _refuse_undrainable(api: Api, pods: Sequence[Object], attached: AttachedWorkload) -> None:
    free = [node for node in api.list(NODE).items if not node["spec"].get("unschedulable")]
    if len(free) < 2:
        raise EnvironmentUnfit(
            f"no node can be drained: {len(free)} of the cluster's takes pods, and its pods need another",
            where="faults",
        )


def _refuse_unreachable(
    api: Api, pods: Sequence[Object], container: str, kinds: frozenset[FaultKind]
) -> None:
    """Raises InputError where a signal from inside would not do what the fault promises."""
    verbs = {kind.traits.verb for kind in kinds}
    ready = [name_of(pod) for pod in pods if pod_of(pod).ready]
    if not verbs & {Verb.KILL, Verb.PAUSE} or not ready:
        return
    ended = run_in(api, ready[0], list(LOOK), container=container)
    if not ended.fine:
        raise ClusterError(
            f"container {container} of pod {ready[0]} runs no `sh`, by which `kill` and `pause` send their "
            f"signals ({ended.problem}); `delete-now` needs none"
        )
    refuse_signals(inside(ended.output), container, verbs)


def refuse_signals(told: Inside, container: str, verbs: set[Verb]) -> None:
    """Raises InputError when `kill` or `pause` would reach no process of the container."""
    if Verb.KILL in verbs and not told.first_can_be_killed and not told.others:
        why = (
            f"Yama forbids it (ptrace_scope {told.yama})" if told.tools else "it has neither perl nor python"
        )
        raise InputError(
            f"`kill` does not reach the only process of container {container}: Linux hides the first one "
            f"from signals inside, and {why}",
            where="faults",
            hint="use delete-now, or an init as the first process (shareProcessNamespace: true)",
        )
    if Verb.PAUSE in verbs and not told.others:
        raise InputError(
            f"`pause` does not reach the only process of container {container}: Linux hides the first one "
            "from signals inside",
            where="faults",
            hint="give it an init as the first process (shareProcessNamespace: true)",
        )
