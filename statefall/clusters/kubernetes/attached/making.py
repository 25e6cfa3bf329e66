"""Makes the user's manifests for a run, waits until all replicas are ready, and removes them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api, Refused
from statefall.clusters.kubernetes.attached.foreseen import WHERE, stands_already
from statefall.clusters.kubernetes.attached.refusals import Found
from statefall.clusters.kubernetes.attached.workload import KINDS, FoundWorkload
from statefall.clusters.kubernetes.objects.given import GivenManifest, labelled
from statefall.clusters.kubernetes.objects.kinds import POD, Object, ObjectKind, name_of
from statefall.clusters.kubernetes.objects.pods import problem, problem_timeout_s, waiting_for
from statefall.clusters.kubernetes.ownership import made
from statefall.clusters.kubernetes.ownership.lease import ConductorLease
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import InputError
from statefall.records.service import ServiceSpec

READY_TIMEOUT_S: Final = 240.0
_LOOK_EVERY_S: Final = 0.3
_NO_POD_S: Final = 15.0
"""How long a controller may be refused its pods: a ServiceAccount may come a moment later."""
_CONFLICT: Final = 409


def given_in(namespace: str, looked: Iterable[tuple[ServiceSpec, Found]]) -> list[GivenManifest]:
    """What is made there, once where several services give the same. Raises InputError where they differ."""
    chosen: dict[tuple[ObjectKind, str], GivenManifest] = {}
    for service, found in looked:
        if service.attached is not None and service.attached.namespace == namespace:
            for each in found.given:
                if chosen.setdefault((each.kind, each.name), each).obj != each.obj:
                    raise InputError(
                        f"two services give another {each.title}", where=WHERE, hint="give it one name each"
                    )
    return list(chosen.values())


class Making:
    """What a run makes in one namespace. Use: `make`, `remove`."""

    def __init__(self, api: Api, lease: ConductorLease, run: str) -> None:
        """`run`: the value of the label that each object gets."""
        self._api, self._lease, self._run = api, lease, run
        self._made: made.MadeByRun | None = None

    def make(self, given: Sequence[GivenManifest]) -> None:
        """Note all of it in the Lease, then make it. Raises InputError when one stands already."""
        if not given:
            return
        self._made = made.MadeByRun(self._run, tuple(made.MadeObject(each.kind, each.name) for each in given))
        self._lease.made(made.written(self._made))
        for each in given:
            try:
                self._api.make(each.kind, labelled(each.obj, self._run, self._api.namespace))
            except Refused as refusal:
                if refusal.status == _CONFLICT:
                    raise stands_already(self._api, each) from refusal
                raise

    def remove(self) -> None:
        """Remove what was made, and return once it is gone with its pods. Idempotent. Raises ClusterError.

        Whoever has taken the Lease meanwhile has removed what it noted.
        """
        if self._made is None:
            return
        if not self._lease.taken():
            made.remove(self._api, self._made)
            self._lease.made("")
        self._made = None


def await_ready(api: Api, given: Iterable[GivenManifest], timeout_s: float = READY_TIMEOUT_S) -> None:
    """Return once every Deployment and StatefulSet of these has all its replicas ready.

    Raises ClusterError with what keeps a pod from starting.
    """
    deadline = time.monotonic() + timeout_s
    for each in given:
        if each.kind in KINDS.values():
            _await_settled(api, each, timeout_s, deadline)


def _await_settled(api: Api, each: GivenManifest, timeout_s: float, deadline: float) -> None:
    since: dict[str, float] = {}
    while True:
        found = api.get(each.kind, each.name)
        if found is None:
            raise ClusterError(f"{each.title} was removed while it was waited for")
        workload = FoundWorkload(each.kind, found)
        if workload.settled:
            return
        pods, now = api.list(POD, workload.selector).items, time.monotonic()
        lasting = {trouble.of: trouble for trouble in _troubles(workload, pods)}
        since = {of: since.get(of, now) for of in lasting}
        for trouble in lasting.values():
            if now - since[trouble.of] >= trouble.allowed_s:
                raise ClusterError(f"{each.title} does not start: {trouble.what}")
        if now > deadline:
            states = "; ".join(f"pod {name_of(pod)}: {waiting_for(pod)}" for pod in pods) or "it has no pod"
            raise ClusterError(f"{each.title} is not ready after {timeout_s:.0f} s: {states}")
        time.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What stands in the way of a pod, or of having one."""

    of: str
    what: str
    allowed_s: float
    """How long it may last, however its words change meanwhile."""


def _troubles(workload: FoundWorkload, pods: Iterable[Object]) -> Iterator[_Trouble]:
    for condition in workload.obj.get("status", {}).get("conditions") or []:
        if (condition["type"], condition["status"]) == ("ReplicaFailure", "True"):
            said = " ".join(str(condition.get("message", "")).split())
            yield _Trouble(workload.title, said, _NO_POD_S)
    for pod in pods:
        if what := problem(pod):
            yield _Trouble(name_of(pod), f"pod {name_of(pod)}: {what}", problem_timeout_s(pod))
