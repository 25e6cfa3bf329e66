"""The load generator in the cluster: its objects, and the way to its control API."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from statefall.clusters.kubernetes.api.tunnel import Forward
from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.kinds import NETWORK_POLICY, Object, name_of
from statefall.clusters.kubernetes.objects.labels import COMPONENT, OURS, RUN_LABEL
from statefall.clusters.kubernetes.objects.pods import end_of, pod_of
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.kubernetes.ownership.removal import remove_labelled
from statefall.clusters.kubernetes.run.context import RunContext, refuse_hopeless, states
from statefall.clusters.kubernetes.run.infrastructure import KubernetesInfrastructure
from statefall.clusters.kubernetes.run.refusals import wait_for_pods
from statefall.clusters.protocol import ClusterError
from statefall.records.load import LoadConfig

CONTROL_PORT: Final = 8089
READY_TIMEOUT_S: Final = 120.0
_END_TOLD_S: Final = 5.0
"""Until the kubelet has told of a pod's end; it looks each second."""
_ROLE: Final = "statefall/load"


class KubernetesLoad:
    """At most one load generator: a master, and workers if there is more than one."""

    def __init__(self, context: RunContext, infrastructure: KubernetesInfrastructure) -> None:
        self._context, self._infrastructure = context, infrastructure
        self._forward: Forward | None = None
        self._started = self._ending = False
        self._master: Object | None = None

    def start(self, config: LoadConfig, base_url: str) -> str:
        """Start it, aimed at `base_url` unless the configuration names its own; the control URL."""
        self.stop()
        self.await_end()
        aimed = replace(config, target=config.target or base_url)
        objects = manifests.load(
            manifests.render("load"),
            aimed.to_json(),
            aimed.workers,
            self._context.target,
            self._context.run,
        )
        self._started = True
        for obj in objects:
            if obj["kind"] == NETWORK_POLICY.name:  # stays for the next cell
                self._infrastructure.make_missing([obj])
            else:
                self._context.api.create(obj)
        self._await(aimed.workers)
        self._master = self._context.find(_ROLE, "master")[-1]
        self._forward = Forward(self._context.api, name_of(self._master), CONTROL_PORT)
        return self._forward.url

    def end(self) -> str:
        """How its pod ended without being asked to, in words; empty while it runs, or where nobody tells."""
        if self._master is None:
            return ""
        uid = str(self._master["metadata"]["uid"])

        def ended(view: NamespaceView) -> str:
            return end_of(view.pods.get(uid))

        self._context.informer.wait_for(lambda view: bool(ended(view)), _END_TOLD_S)
        how = self._context.informer.look(ended)
        return f"its pod {name_of(self._master)} {how}" if how else ""

    def stop(self) -> None:
        """End it; `await_end` waits for its pods. A no-op when none runs."""
        self.forget()
        self._master = None
        if self._started:
            remove_labelled(self._context.api, f"{OURS},{COMPONENT}=load,{RUN_LABEL}={self._context.run}")
            self._context.end_pods(COMPONENT, "load")
            self._started, self._ending = False, True

    def await_end(self) -> None:
        """Wait until the pods of the one that was stopped are gone. Raises ClusterError."""
        if self._ending:
            self._context.await_none(COMPONENT, "load")
            self._ending = False

    def forget(self) -> None:
        """Give up the way to it; its objects are removed by somebody else."""
        if self._forward is not None:
            self._forward.close()
            self._forward = None

    def _await(self, workers: int) -> None:
        wanted = {"master": 1, "worker": workers if workers > 1 else 0}

        def up(view: NamespaceView) -> bool:
            refuse_hopeless(view, COMPONENT, "load")
            ready = {role: sum(pod_of(obj).ready for obj in view.labelled(_ROLE, role)) for role in wanted}
            return ready == wanted

        if not wait_for_pods(self._context, COMPONENT, "load", up, READY_TIMEOUT_S):
            raise ClusterError(
                f"the load generator was not ready after {READY_TIMEOUT_S:.0f} s: "
                + states(self._context.find(COMPONENT, "load"))
            )
