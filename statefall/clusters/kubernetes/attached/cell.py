"""A workload that stands already, while a cell lasts: watched, changed by faults, and put back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.attached.acts import Acts
from statefall.clusters.kubernetes.attached.refusals import refuse_other_replicas
from statefall.clusters.kubernetes.attached.workload import Family, FoundWorkload, find
from statefall.clusters.kubernetes.objects.pods import pod_of, waiting_for
from statefall.clusters.kubernetes.observe.informer import Informer, Scope
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.kubernetes.ownership.attachment import (
    ROLLED,
    Attachment,
    PausedPod,
    put_back,
    written,
)
from statefall.clusters.kubernetes.ownership.cordons import Cordons
from statefall.clusters.kubernetes.ownership.lease import ConductorLease
from statefall.clusters.kubernetes.ownership.removal import every
from statefall.clusters.protocol import ClusterError, Pod, PodTransition
from statefall.records.cells import CellSpec
from statefall.records.service import AttachedWorkload

_SCALE_TIMEOUT_S: Final = 30.0
_AS_BEFORE_TIMEOUT_S: Final = 240.0
_LOOK_EVERY_S: Final = 0.3


class AttachedCell:
    """One workload from the beginning of a cell to its end. Use: `begin`, ..., `end`, `close`."""

    def __init__(
        self,
        api: Api,
        lease: ConductorLease,
        cordons: Cordons,
        attached: AttachedWorkload,
        tell: Callable[[PodTransition], None],
    ) -> None:
        self._api, self._lease, self.cordons = api, lease, cordons
        self._workload = find(api, attached)
        container = attached.container or self._workload.containers[0]
        scope = Scope(pods=self._workload.selector, slices="", container=container, whole=True)
        self._informer = Informer(api, tell, scope=scope)
        self.acts = Acts(api, self._informer, self._workload, Family(api), container, attached.most_down)
        self._note = Attachment(
            kind=self._workload.kind.name,
            name=self._workload.name,
            uid=self._workload.uid,
            container=container,
            replicas=self._workload.replicas,
        )

    def begin(self, spec: CellSpec, uid: str, timeout_s: float) -> None:
        """Return once it stands as it should. `uid`: of the one that was planned for. Raises ClusterError."""
        if self._workload.uid != uid:
            raise ClusterError(f"{self._workload.title} was made anew since the run was planned")
        refuse_other_replicas(self._workload, spec.replicas)
        self._informer.open()
        self._informer.follow(self._workload.name)
        self._await(self._all_ready, timeout_s, f"{spec.replicas} ready replicas before the cell")

    def end(self) -> None:
        """Put everything back, and return once the workload is as it was. Raises ClusterError."""
        self.put_back()
        self._await(self._as_before, _AS_BEFORE_TIMEOUT_S, f"all {self._note.replicas} replicas ready again")

    def close(self) -> None:
        """End the watches."""
        self._informer.close()

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        """Set the number of replicas; returns the pods that the controller chose to end."""
        staying = [pod for pod in self.acts.pods() if not pod.terminating]
        leaving = max(len(staying) - replicas, 0)
        self._remember(scaled_to=(*self._note.scaled_to, replicas))
        self.acts.wanted = replicas
        changes = {"metadata": {"uid": self._note.uid}, "spec": {"replicas": replicas}}
        self._api.change(self._workload.kind, self._workload.name, changes, sub="scale")

        def chosen(view: NamespaceView) -> list[Pod]:
            living = {uid for uid, obj in view.pods.items() if not pod_of(obj).terminating}
            return [pod for pod in staying if pod.uid not in living]

        if not self._informer.wait_for(lambda view: len(chosen(view)) >= leaving, _SCALE_TIMEOUT_S):
            raise ClusterError(
                f"{self._workload.title}: no {leaving} pods began to end within {_SCALE_TIMEOUT_S:.0f} s"
            )
        found = self._informer.look(chosen)
        assert isinstance(found, list)
        return tuple(found)

    def roll(self) -> None:
        """Begin a rolling update, as `kubectl rollout restart` does: another annotation of the template."""
        self._remember(rolled=True)
        template = {"metadata": {"annotations": {ROLLED: datetime.now(UTC).isoformat()}}}
        changes = {"metadata": {"uid": self._note.uid}, "spec": {"template": template}}
        self._api.change(self._workload.kind, self._workload.name, changes)

    def pause(self, pod: Pod) -> None:
        """Have it stand still, noted first: processes that stand outlive whoever stopped them."""
        self._remember(paused=(*self._note.paused, PausedPod(pod.name, pod.uid)))
        self.acts.pause(pod)

    def resume(self, pod: Pod) -> None:
        """Have it go on."""
        self.acts.resume(pod)
        self._remember(paused=tuple(each for each in self._note.paused if each.uid != pod.uid))

    def put_back(self) -> None:
        """Ask for all that was changed to be as before, and wait for nothing. Raises ClusterError.

        Whoever has taken the Lease meanwhile has put back what it noted, and works here now: nothing is done.
        """
        if not self._lease.taken():
            every([self.cordons.put_back, self._workload_back])

    def _workload_back(self) -> None:
        put_back(self._api, self._note)
        self._remember(scaled_to=(), rolled=False, paused=())
        self.acts.wanted = self._note.replicas

    # -- inside ---------------------------------------------------------------------------------------

    def _remember(self, **changes: object) -> None:
        note = replace(self._note, **changes)  # type: ignore[arg-type]
        self._lease.changed(written(note))
        self._note = note

    def _all_ready(self) -> bool:
        pods = self.acts.pods()
        return len(pods) == self._workload.replicas and all(pod.ready for pod in pods)

    def _as_before(self) -> bool:
        """Whatever number somebody else has set meanwhile: that many, all of the newest revision."""
        found = self._api.get(self._workload.kind, self._workload.name)
        if found is None:
            return True  # there is nothing left to wait for
        now = FoundWorkload(self._workload.kind, found)
        pods = self.acts.pods()
        return now.settled and len(pods) == now.replicas and all(pod.ready for pod in pods)

    def _await(self, settled: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not settled():
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{self._workload.title}: waited {timeout_s:.0f} s in vain for {what}: {self._states()}"
                )
            time.sleep(_LOOK_EVERY_S)

    def _states(self) -> str:
        found = self._informer.look(
            lambda view: [f"{obj['metadata']['name']}: {waiting_for(obj)}" for obj in view.pods.values()]
        )
        assert isinstance(found, list)
        return "; ".join(found) or "it has no pod"
