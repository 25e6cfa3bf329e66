"""The load generator in the cluster: its objects, and the way to its control API."""

from __future__ import annotations

import json
from typing import Any, Final

from clusters.kubernetes import manifests
from clusters.kubernetes.api import OURS
from clusters.kubernetes.ground import Ground, refuse_hopeless, states
from clusters.kubernetes.infrastructure import Infrastructure
from clusters.kubernetes.kinds import NETWORK_POLICY, Object, name_of
from clusters.kubernetes.manifests import COMPONENT, RUN_LABEL
from clusters.kubernetes.observer import View
from clusters.kubernetes.pods import end_of, pod_of
from clusters.kubernetes.refusals import wait_for_pods
from clusters.kubernetes.removal import remove_labelled
from clusters.kubernetes.tunnel import Forward
from clusters.protocol import ClusterError

CONTROL_PORT: Final = 8089
READY_TIMEOUT_S: Final = 120.0
_END_TOLD_S: Final = 5.0
"""Until the kubelet has told of a pod's end; it looks each second."""
_ROLE: Final = "statefall/load"


class Load:
    """At most one load generator: a master, and workers if there is more than one."""

    def __init__(self, ground: Ground, infrastructure: Infrastructure) -> None:
        self._ground, self._infrastructure = ground, infrastructure
        self._forward: Forward | None = None
        self._started = False
        self._master: Object | None = None

    def start(self, config: bytes, target: str) -> str:
        """Start it, aimed at `target` unless the configuration names its own; the control URL."""
        self.stop()
        document: dict[str, Any] = json.loads(config)
        document["target"] = document.get("target") or target
        workers = int(document.get("workers", 1))
        objects = manifests.load(
            manifests.render("load"),
            json.dumps(document, sort_keys=True, separators=(",", ":")).encode(),
            workers,
            self._ground.place,
            self._ground.run,
        )
        self._started = True
        for thing in objects:
            if thing["kind"] == NETWORK_POLICY.name:  # stays for the next cell
                self._infrastructure.make_missing([thing])
            else:
                self._ground.api.create(thing)
        self._await(workers)
        self._master = self._ground.find(_ROLE, "master")[-1]
        self._forward = Forward(self._ground.api, name_of(self._master), CONTROL_PORT)
        return self._forward.url

    def end(self) -> str:
        """How its pod ended without being asked to, in words; empty while it runs, or where nobody tells."""
        if self._master is None:
            return ""
        uid = str(self._master["metadata"]["uid"])

        def ended(view: View) -> str:
            return end_of(view.pods.get(uid))

        self._ground.observer.wait_for(lambda view: bool(ended(view)), _END_TOLD_S)
        how = self._ground.observer.look(ended)
        return f"its pod {name_of(self._master)} {how}" if how else ""

    def stop(self) -> None:
        """End it. A no-op when none runs."""
        self.forget()
        self._master = None
        if self._started:
            remove_labelled(self._ground.api, f"{OURS},{COMPONENT}=load,{RUN_LABEL}={self._ground.run}")
            self._ground.remove_pods(COMPONENT, "load")
            self._started = False

    def forget(self) -> None:
        """Give up the way to it; its objects are removed by somebody else."""
        if self._forward is not None:
            self._forward.close()
            self._forward = None

    def _await(self, workers: int) -> None:
        wanted = {"master": 1, "worker": workers if workers > 1 else 0}

        def up(view: View) -> bool:
            refuse_hopeless(view, COMPONENT, "load")
            ready = {
                role: sum(pod_of(thing).ready for thing in view.labelled(_ROLE, role)) for role in wanted
            }
            return ready == wanted

        if not wait_for_pods(self._ground, COMPONENT, "load", up, READY_TIMEOUT_S):
            raise ClusterError(
                f"the load generator was not ready after {READY_TIMEOUT_S:.0f} s: "
                + states(self._ground.find(COMPONENT, "load"))
            )
