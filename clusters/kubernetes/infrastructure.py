"""What all cells share: the namespace, its secrets, database with its data, session store, balancer.

Whatever stands there already, by hand or from an earlier run, is used as it is; what is missing is
made, and only what was made here is removed at the end.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from typing import Any, Final

from clusters.kubernetes import manifests
from clusters.kubernetes.api import OURS, PART_OF
from clusters.kubernetes.ground import Ground, refuse_hopeless, states
from clusters.kubernetes.kinds import JOB, NAMESPACE, SECRET, Object, kind_of, labels_of, name_of
from clusters.kubernetes.manifests import COMPONENT, RUN_LABEL, SECRET_NAME
from clusters.kubernetes.observer import View
from clusters.kubernetes.pods import pod_of, succeeded
from clusters.kubernetes.refusals import wait_for_pods
from clusters.kubernetes.rights import SET_UP_HINT, Rights, stands
from clusters.kubernetes.tunnel import fetch, run_in
from clusters.protocol import ClusterError
from foundation.errors import EnvironmentUnfit, InputError

READY_TIMEOUT_S: Final = 300.0
"""For images to be pulled and the shop to be generated."""
STOP_STORE: Final = "valkey-cli config set bind 127.0.0.1 && valkey-cli client kill type normal skipme yes"
START_STORE: Final = "valkey-cli config set bind '* -::*' && valkey-cli ping"
_BALANCER_API_PORT: Final = 8080
_ORDER: Final = (
    *("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Service"),
    *("StatefulSet", "Deployment", "PodDisruptionBudget", "Job"),
)


def ensure_namespace(ground: Ground, rendered: Iterable[Object]) -> None:
    """The namespace, made if it is missing. Raises InputError when it is not Statefall's."""
    wanted = next(thing for thing in rendered if thing["kind"] == NAMESPACE.name)
    standing = ground.api.get(NAMESPACE, ground.place.namespace)
    if standing is None:
        ground.api.create(manifests.settled([wanted], ground.place, ground.run)[0])
        return
    if standing["metadata"].get("deletionTimestamp"):
        raise InputError(
            "is being deleted still",
            where=f"namespace {ground.place.namespace}",
            hint="wait until it is gone",
        )
    if labels_of(standing).get(PART_OF) != "statefall":
        raise InputError(
            f"is not Statefall's (it lacks the label {OURS})",
            where=f"namespace {ground.place.namespace}",
            hint="choose another with STATEFALL_NAMESPACE, or label it",
        )


class Infrastructure:
    """The shared parts of one run."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._rights = Rights(ground.api)

    def ensure(self, rendered: Iterable[Object]) -> None:
        """Make what is missing of these objects and wait until all of it works."""
        self._ensure_secret()
        wanted = manifests.settled(manifests.infrastructure(rendered), self._ground.place, self._ground.run)
        self.make_missing(thing for thing in wanted if thing["kind"] != JOB.name)
        for component in ("database", "store", "balancer"):
            self._await(component, _all_ready)
        for thing in wanted:
            if thing["kind"] == JOB.name:
                self._run_job(thing)

    def make_missing(self, things: Iterable[Object]) -> None:
        """Create those of these settled objects that are not there."""
        for thing in sorted(things, key=lambda thing: _ORDER.index(thing["kind"])):
            self._ensure(thing)

    def routed(self, deployment: str) -> dict[str, bool]:
        """`host:port` of each endpoint that the balancer sends requests of the deployment to -> fenced."""
        balancer = pod_of(self._one("balancer"))
        service = f"{self._ground.place.namespace}-{deployment}-http@kubernetes"
        try:
            body = fetch(self._ground.api, balancer.name, _BALANCER_API_PORT, f"/api/http/services/{service}")
        except ClusterError:
            return {}  # it does not know the service yet, or is busy: asked again by whoever waits
        servers: list[dict[str, Any]] = json.loads(body).get("loadBalancer", {}).get("servers") or []
        return {str(server["url"]).removeprefix("http://"): bool(server.get("fenced")) for server in servers}

    def stop_store(self) -> None:
        """Have the store refuse connections: it listens on its own loopback alone, and cuts those it has."""
        self._store(STOP_STORE)

    def pause_store(self, duration_s: float) -> None:
        """Have the store hold all commands back for so long."""
        self._store(f"valkey-cli client pause {round(duration_s * 1000)} all")

    def start_store(self) -> None:
        """Have it listen again."""
        self._store(START_STORE)

    def empty_store(self) -> None:
        """Forget all sessions and cached values."""
        self._store("valkey-cli flushall")

    # -- inside ---------------------------------------------------------------------------------------

    def _ensure_secret(self) -> None:
        if not self._rights.may("create", SECRET) or self._ground.api.get(SECRET, SECRET_NAME) is not None:
            return
        values = {"database-password": 16, "store-password": 16, "jwt-keys": 32, "state-keys": 32}
        self._ground.api.create(
            {
                "apiVersion": "v1",
                "kind": SECRET.name,
                "metadata": {
                    "name": SECRET_NAME,
                    "namespace": self._ground.place.namespace,
                    "labels": {PART_OF: "statefall", RUN_LABEL: self._ground.run},
                },
                "stringData": {name: secrets.token_hex(size) for name, size in values.items()},
            }
        )

    def _ensure(self, thing: Object) -> None:
        if not self._rights.may("create", kind_of(thing)):
            if not stands(self._ground.api, self._rights, thing):
                raise EnvironmentUnfit(
                    f"{manifests.named(thing)} is missing, and you may not make it",
                    where=f"namespace {self._ground.place.namespace}",
                    hint=SET_UP_HINT,
                )
            return
        standing = self._ground.api.get(kind_of(thing), name_of(thing))
        if standing is None:
            self._ground.api.create(thing)
        elif labels_of(standing).get(PART_OF) != "statefall":
            raise InputError(
                f"{manifests.named(thing)} is not Statefall's: left alone",
                where=f"namespace {self._ground.place.namespace}",
                hint="choose another namespace with STATEFALL_NAMESPACE",
            )

    def _run_job(self, thing: Object) -> None:
        """Once for each database: one that was made anew has no data."""
        standing = self._ground.api.get(JOB, name_of(thing))
        if standing is not None:
            database = self._one("database")["metadata"]["creationTimestamp"]
            done = standing.get("status", {}).get("completionTime", "")
            if done > database:
                return
            self._ground.api.delete(JOB, name_of(thing), uid=str(standing["metadata"]["uid"]))
            self._ground.remove_pods(COMPONENT, "data", of_any_run=True)
        self._ground.api.create(thing)
        self._await("data", lambda things: any(succeeded(thing) for thing in things))

    def _await(self, component: str, settled: Any) -> None:
        def question(view: View) -> bool:
            refuse_hopeless(view, COMPONENT, component)
            return bool(settled(view.labelled(COMPONENT, component)))

        if not wait_for_pods(self._ground, COMPONENT, component, question, READY_TIMEOUT_S):
            raise ClusterError(
                f"the {component} was not ready after {READY_TIMEOUT_S:.0f} s: "
                + states(self._ground.find(COMPONENT, component))
            )

    def _one(self, component: str) -> Object:
        found = [thing for thing in self._ground.find(COMPONENT, component) if pod_of(thing).ready]
        if not found:
            raise ClusterError(f"no {component} is ready: {states(self._ground.find(COMPONENT, component))}")
        return found[-1]

    def _store(self, script: str) -> None:
        ended = run_in(self._ground.api, name_of(self._one("store")), ["sh", "-c", script])
        if not ended.fine or "ERR" in ended.output:
            raise ClusterError(f"the store refused `{script}`: {ended.output.strip() or 'no answer'}")


def _all_ready(things: list[Object]) -> bool:
    return bool(things) and all(pod_of(thing).ready for thing in things)
