"""One deployment at a time: brought up, scaled, rolled forward and back, withdrawn."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import cycle
from typing import Final

from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    REPLICA_SET,
    Object,
    labels_of,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import DEPLOYMENT_LABEL, OURS, RUN_LABEL
from statefall.clusters.kubernetes.objects.pods import pod_of
from statefall.clusters.kubernetes.objects.store_commands import DATABASES
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.kubernetes.ownership.removal import remove_labelled
from statefall.clusters.kubernetes.run.context import RunContext, refuse_hopeless, states
from statefall.clusters.kubernetes.run.infrastructure import KubernetesInfrastructure
from statefall.clusters.kubernetes.run.refusals import wait_for_pods
from statefall.clusters.protocol import ClusterError, Pod
from statefall.records.cells import CellSpec
from statefall.records.errors import InputError
from statefall.records.terms import Balancer

_ROLLED: Final = "statefall/rolled-at"
_REVISION: Final = "deployment.kubernetes.io/revision"
_LOOK_EVERY_S: Final = 0.1
_SCALE_TIMEOUT_S: Final = 30.0


class Rollout:
    """The deployment of the running cell, if there is one."""

    def __init__(self, context: RunContext, infrastructure: KubernetesInfrastructure) -> None:
        self._context, self._infrastructure = context, infrastructure
        self._deployment: CellSpec | None = None
        self._uid = ""
        """Of its Deployment, once that was made: cells of the next run have the same names."""
        self._ending = ""
        """The deployment before, whose pods were told to end and may be there still."""
        self._databases = cycle(DATABASES)
        self._database = DATABASES[0]
        """Of the store, where the deployment has its keys."""

    @property
    def running(self) -> CellSpec:
        """Raises ClusterError when none runs."""
        if self._deployment is None:
            raise ClusterError("nothing is deployed")
        return self._deployment

    def empty_store(self) -> None:
        """Have the store forget all that the deployment holds there."""
        self._infrastructure.empty_store(self._database)

    def begin(self, deployment: CellSpec, rendered: tuple[Object, ...], timeout_s: float) -> None:
        """Run it and return once every replica is ready and gets requests. Raises ClusterError if never.

        It begins with an empty database of the store, while the pods of the deployment before end.
        """
        deadline = time.monotonic() + timeout_s
        if self._ending == deployment.name:
            self.await_end()  # they could not be told from those to come
        self._deployment = deployment
        self._context.informer.follow(deployment.name)
        self._database = next(self._databases)
        self.empty_store()
        objects = manifests.settled(
            manifests.cell(rendered, deployment, self._database), self._context.target, self._context.run
        )
        for obj in objects:
            made = self._context.api.create(obj)
            if obj["kind"] == DEPLOYMENT.name:
                self._uid = str(made["metadata"]["uid"])
        self._await_replicas(deadline, timeout_s)
        self.await_end()
        if deployment.balancer is not Balancer.CLIENT_IP:
            self._await_route(deadline)

    def withdraw(self) -> None:
        """Remove it, forcefully; `await_end` waits for its pods. A no-op when none runs."""
        if self._deployment is None:
            return
        self.await_end()  # where this one never came up
        name = self._deployment.name
        existing = self._context.api.get(DEPLOYMENT, name)
        if existing is not None and self._is_ours(existing):
            # None wanted, and all told to end: else the controller replaces the pods that are removed next.
            self._context.api.patch(DEPLOYMENT, name, self._ours({"spec": {"replicas": 0}}))
            self._context.informer.wait_for(
                lambda view: all(pod_of(obj).terminating for obj in view.of(name)), _SCALE_TIMEOUT_S
            )
        self._context.end_pods(DEPLOYMENT_LABEL, name)
        remove_labelled(
            self._context.api, f"{OURS},{DEPLOYMENT_LABEL}={name},{RUN_LABEL}={self._context.run}"
        )
        self._deployment, self._uid, self._ending = None, "", name
        self._context.informer.follow("")

    def await_end(self) -> None:
        """Wait until the pods of what was withdrawn are gone. Raises ClusterError."""
        if self._ending:
            self._context.await_none(DEPLOYMENT_LABEL, self._ending)
            self._ending = ""

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        """Set the number of replicas; returns the pods that the ReplicaSet chose to end."""
        name = self.running.name
        if replicas < 0:
            raise InputError(f"cannot scale to {replicas} replicas", hint="0 or more")
        self._refuse_autoscaled(name)
        before = self._context.informer.pods(name)
        staying = [pod.uid for pod in before if not pod.terminating]
        self._context.api.patch(DEPLOYMENT, name, self._ours({"spec": {"replicas": replicas}}), sub="scale")
        leaving = max(len(staying) - replicas, 0)

        def chosen(view: NamespaceView) -> list[Pod]:
            living = {uid for uid in staying if uid in view.pods and not pod_of(view.pods[uid]).terminating}
            return [pod for pod in before if pod.uid in staying and pod.uid not in living]

        if not self._context.informer.wait_for(lambda view: len(chosen(view)) >= leaving, _SCALE_TIMEOUT_S):
            raise ClusterError(f"{name}: no {leaving} pods began to end within {_SCALE_TIMEOUT_S:.0f} s")
        found = self._context.informer.look(chosen)
        assert isinstance(found, list)
        return tuple(found)

    def roll(self) -> None:
        """Begin a rolling update: the same service under a new revision."""
        now = datetime.now(UTC).isoformat()
        template = {"metadata": {"annotations": {_ROLLED: now}}}
        self._context.api.patch(DEPLOYMENT, self.running.name, self._ours({"spec": {"template": template}}))

    def undo(self) -> None:
        """Begin to roll back to the revision before, as `kubectl rollout undo` does."""
        name = self.running.name
        sets = self._context.api.list(REPLICA_SET, f"{OURS},{DEPLOYMENT_LABEL}={name}").items
        revisions = sorted(sets, key=_revision)
        if len(revisions) < 2:
            raise ClusterError(f"{name}: there is no earlier revision to go back to")
        template: Object = revisions[-2]["spec"]["template"]
        template["metadata"]["labels"].pop("pod-template-hash", None)
        # The template alone: a status that is written meanwhile is no conflict.
        self._context.api.replace(DEPLOYMENT, name, "/spec/template", template, uid=self._uid)

    # -- inside ---------------------------------------------------------------------------------------

    def _up(self, view: NamespaceView) -> bool:
        deployment = self.running
        refuse_hopeless(view, DEPLOYMENT_LABEL, deployment.name)
        ready = {pod.uid for pod in map(pod_of, view.of(deployment.name)) if pod.ready}
        endpoints = view.endpoints(deployment.name)
        open_ones = {uid for uid, state in endpoints.items() if state == "open"}
        return len(ready) == deployment.replicas and open_ones == ready

    def _await_replicas(self, deadline: float, timeout_s: float) -> None:
        running, left_s = self.running, max(deadline - time.monotonic(), 0.0)
        if not wait_for_pods(self._context, DEPLOYMENT_LABEL, running.name, self._up, left_s):
            raise ClusterError(
                f"{running.name}: not {running.replicas} replicas ready after {timeout_s:.0f} s: "
                + states(self._context.find(DEPLOYMENT_LABEL, running.name))
            )

    def _await_route(self, deadline: float) -> None:
        name = self.running.name
        while True:
            wanted = {pod.address: False for pod in self._context.informer.pods(name) if pod.ready}
            routed = self._infrastructure.routed(name)
            if routed == wanted:
                return
            if time.monotonic() > deadline:
                raise ClusterError(f"{name}: the balancer routes to {sorted(routed)}, not {sorted(wanted)}")
            time.sleep(_LOOK_EVERY_S)

    def _is_ours(self, existing: Object) -> bool:
        return labels_of(existing).get(RUN_LABEL) == self._context.run

    def _ours(self, changes: Object) -> Object:
        """The changes, refused by the API server where another Deployment took the place of this one."""
        return {**changes, "metadata": {"uid": self._uid}}

    def _refuse_autoscaled(self, name: str) -> None:
        for autoscaler in self._context.api.list(AUTOSCALER, OURS).items:
            if autoscaler["spec"]["scaleTargetRef"]["name"] == name:
                raise ClusterError(
                    f"{name}: the number of replicas belongs to HorizontalPodAutoscaler {name_of(autoscaler)}"
                )


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(_REVISION, 0))
