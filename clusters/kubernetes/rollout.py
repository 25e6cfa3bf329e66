"""One deployment at a time: brought up, scaled, rolled forward and back, withdrawn."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from clusters.kubernetes import manifests
from clusters.kubernetes.api import OURS
from clusters.kubernetes.ground import Ground, refuse_hopeless, states
from clusters.kubernetes.infrastructure import Infrastructure
from clusters.kubernetes.kinds import AUTOSCALER, DEPLOYMENT, REPLICA_SET, Object, labels_of, name_of
from clusters.kubernetes.manifests import RUN_LABEL
from clusters.kubernetes.observer import View
from clusters.kubernetes.pods import DEPLOYMENT_LABEL, pod_of
from clusters.kubernetes.refusals import wait_for_pods
from clusters.kubernetes.removal import remove_labelled
from clusters.protocol import ClusterError, Deployment, Pod
from foundation.errors import InputError
from foundation.terms import Balancer

_ROLLED: Final = "statefall/rolled-at"
_REVISION: Final = "deployment.kubernetes.io/revision"
_LOOK_EVERY_S: Final = 0.1
_SCALE_TIMEOUT_S: Final = 30.0


class Rollout:
    """The deployment of the running cell, if there is one."""

    def __init__(self, ground: Ground, infrastructure: Infrastructure) -> None:
        self._ground, self._infrastructure = ground, infrastructure
        self._deployment: Deployment | None = None
        self._uid = ""
        """Of its Deployment, once that was made: cells of the next run have the same names."""

    @property
    def running(self) -> Deployment:
        """Raises ClusterError when none runs."""
        if self._deployment is None:
            raise ClusterError("nothing is deployed")
        return self._deployment

    def begin(self, deployment: Deployment, rendered: tuple[Object, ...], timeout_s: float) -> None:
        """Run it and return once every replica is ready and gets requests. Raises ClusterError if never."""
        deadline = time.monotonic() + timeout_s
        self._deployment = deployment
        self._ground.observer.follow(deployment.name)
        objects = manifests.settled(
            manifests.cell(rendered, deployment), self._ground.place, self._ground.run
        )
        for thing in objects:
            made = self._ground.api.create(thing)
            if thing["kind"] == DEPLOYMENT.name:
                self._uid = str(made["metadata"]["uid"])
        self._await_replicas(deadline, timeout_s)
        if deployment.balancer is not Balancer.CLIENT_IP:
            self._await_route(deadline)

    def withdraw(self) -> None:
        """Remove it, forcefully. A no-op when none runs."""
        if self._deployment is None:
            return
        name = self._deployment.name
        standing = self._ground.api.get(DEPLOYMENT, name)
        if standing is not None and self._is_ours(standing):
            # None wanted, and all told to end: else the controller replaces the pods that are removed next.
            self._ground.api.patch(DEPLOYMENT, name, self._ours({"spec": {"replicas": 0}}))
            self._ground.observer.wait_for(
                lambda view: all(pod_of(thing).terminating for thing in view.of(name)), _SCALE_TIMEOUT_S
            )
        self._ground.remove_pods(DEPLOYMENT_LABEL, name)
        remove_labelled(self._ground.api, f"{OURS},{DEPLOYMENT_LABEL}={name},{RUN_LABEL}={self._ground.run}")
        self._deployment, self._uid = None, ""
        self._ground.observer.follow("")

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        """Set the number of replicas; returns the pods that the ReplicaSet chose to end."""
        name = self.running.name
        if replicas < 0:
            raise InputError(f"cannot scale to {replicas} replicas", hint="0 or more")
        self._refuse_autoscaled(name)
        before = self._ground.observer.pods(name)
        staying = [pod.uid for pod in before if not pod.terminating]
        self._ground.api.patch(DEPLOYMENT, name, self._ours({"spec": {"replicas": replicas}}), sub="scale")
        leaving = max(len(staying) - replicas, 0)

        def chosen(view: View) -> list[Pod]:
            living = {uid for uid in staying if uid in view.pods and not pod_of(view.pods[uid]).terminating}
            return [pod for pod in before if pod.uid in staying and pod.uid not in living]

        if not self._ground.observer.wait_for(lambda view: len(chosen(view)) >= leaving, _SCALE_TIMEOUT_S):
            raise ClusterError(f"{name}: no {leaving} pods began to end within {_SCALE_TIMEOUT_S:.0f} s")
        found = self._ground.observer.look(chosen)
        assert isinstance(found, list)
        return tuple(found)

    def roll(self) -> None:
        """Begin a rolling update: the same service under a new revision."""
        now = datetime.now(UTC).isoformat()
        template = {"metadata": {"annotations": {_ROLLED: now}}}
        self._ground.api.patch(DEPLOYMENT, self.running.name, self._ours({"spec": {"template": template}}))

    def undo(self) -> None:
        """Begin to roll back to the revision before, as `kubectl rollout undo` does."""
        name = self.running.name
        sets = self._ground.api.list(REPLICA_SET, f"{OURS},{DEPLOYMENT_LABEL}={name}").items
        revisions = sorted(sets, key=_revision)
        if len(revisions) < 2:
            raise ClusterError(f"{name}: there is no earlier revision to go back to")
        template: Object = revisions[-2]["spec"]["template"]
        template["metadata"]["labels"].pop("pod-template-hash", None)
        # The template alone: a status that is written meanwhile is no conflict.
        self._ground.api.replace(DEPLOYMENT, name, "/spec/template", template, uid=self._uid)

    # -- inside ---------------------------------------------------------------------------------------

    def _up(self, view: View) -> bool:
        deployment = self.running
        refuse_hopeless(view, DEPLOYMENT_LABEL, deployment.name)
        ready = {pod.uid for pod in map(pod_of, view.of(deployment.name)) if pod.ready}
        endpoints = view.endpoints(deployment.name)
        open_ones = {uid for uid, state in endpoints.items() if state == "open"}
        return len(ready) == deployment.replicas and open_ones == ready

    def _await_replicas(self, deadline: float, timeout_s: float) -> None:
        running, left_s = self.running, max(deadline - time.monotonic(), 0.0)
        if not wait_for_pods(self._ground, DEPLOYMENT_LABEL, running.name, self._up, left_s):
            raise ClusterError(
                f"{running.name}: not {running.replicas} replicas ready after {timeout_s:.0f} s: "
                + states(self._ground.find(DEPLOYMENT_LABEL, running.name))
            )

    def _await_route(self, deadline: float) -> None:
        name = self.running.name
        while True:
            wanted = {pod.address: False for pod in self._ground.observer.pods(name) if pod.ready}
            routed = self._infrastructure.routed(name)
            if routed == wanted:
                return
            if time.monotonic() > deadline:
                raise ClusterError(f"{name}: the balancer routes to {sorted(routed)}, not {sorted(wanted)}")
            time.sleep(_LOOK_EVERY_S)

    def _is_ours(self, standing: Object) -> bool:
        return labels_of(standing).get(RUN_LABEL) == self._ground.run

    def _ours(self, changes: Object) -> Object:
        """The changes, refused by the API server where another Deployment took the place of this one."""
        return {**changes, "metadata": {"uid": self._uid}}

    def _refuse_autoscaled(self, name: str) -> None:
        for autoscaler in self._ground.api.list(AUTOSCALER, OURS).items:
            if autoscaler["spec"]["scaleTargetRef"]["name"] == name:
                raise ClusterError(
                    f"{name}: the number of replicas belongs to HorizontalPodAutoscaler {name_of(autoscaler)}"
                )


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(_REVISION, 0))
