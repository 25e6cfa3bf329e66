"""What all cells share: the namespace, its secrets, database with its data, session store, balancer.

Whatever stands there already, by hand or from an earlier run, is used as it is; what is missing is
made, and only what was made here is removed at the end.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from typing import Any, Final

from statefall.clusters.kubernetes.api.rights import SET_UP_HINT, Rights, stands
from statefall.clusters.kubernetes.api.tunnel import fetch, run_in
from statefall.clusters.kubernetes.objects import manifests, store_commands
from statefall.clusters.kubernetes.objects.kinds import (
    JOB,
    NAMESPACE,
    SECRET,
    Object,
    kind_of,
    labels_of,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import COMPONENT, OURS, PART_OF, RUN_LABEL
from statefall.clusters.kubernetes.objects.manifests import SECRET_NAME
from statefall.clusters.kubernetes.objects.pods import pod_of, succeeded
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.kubernetes.run.context import RunContext, refuse_hopeless, states
from statefall.clusters.kubernetes.run.refusals import wait_for_pods
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import EnvironmentUnfit, InputError

READY_TIMEOUT_S: Final = 300.0
"""For images to be pulled and the shop to be generated."""
_BALANCER_API_PORT: Final = 8080
_ORDER: Final = (
    *("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Service"),
    *("StatefulSet", "Deployment", "PodDisruptionBudget", "Job"),
)


def ensure_namespace(context: RunContext, rendered: Iterable[Object]) -> None:
    """The namespace, made if it is missing. Raises InputError when it is not Statefall's."""
    wanted = next(manifest for manifest in rendered if manifest["kind"] == NAMESPACE.name)
    existing = context.api.get(NAMESPACE, context.target.namespace)
    if existing is None:
        context.api.create(manifests.settled([wanted], context.target, context.run)[0])
        return
    if existing["metadata"].get("deletionTimestamp"):
        raise InputError(
            "is being deleted still",
            where=f"namespace {context.target.namespace}",
            hint="wait until it is gone",
        )
    if labels_of(existing).get(PART_OF) != "statefall":
        raise InputError(
            f"is not Statefall's (it lacks the label {OURS})",
            where=f"namespace {context.target.namespace}",
            hint="choose another with STATEFALL_NAMESPACE, or label it",
        )


class KubernetesInfrastructure:
    """The shared parts of one run."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._rights = Rights(context.api)

    def ensure(self, rendered: Iterable[Object]) -> None:
        """Make what is missing of these objects and wait until all of it works."""
        self._ensure_secret()
        wanted = manifests.settled(
            manifests.infrastructure(rendered), self._context.target, self._context.run
        )
        self.make_missing(manifest for manifest in wanted if manifest["kind"] != JOB.name)
        for component in ("database", "store", "balancer"):
            self._await(component, _all_ready)
        for manifest in wanted:
            if manifest["kind"] == JOB.name:
                self._run_job(manifest)

    def make_missing(self, objects: Iterable[Object]) -> None:
        """Create those of these settled objects that are not there."""
        for manifest in sorted(objects, key=lambda manifest: _ORDER.index(manifest["kind"])):
            self._ensure(manifest)

    def routed(self, deployment: str) -> dict[str, bool]:
        """`host:port` of each endpoint that the balancer sends requests of the deployment to -> fenced."""
        balancer = pod_of(self._one("balancer"))
        service = f"{self._context.target.namespace}-{deployment}-http@kubernetes"
        try:
            body = fetch(
                self._context.api, balancer.name, _BALANCER_API_PORT, f"/api/http/services/{service}"
            )
        except ClusterError:
            return {}  # it does not know the service yet, or is busy: asked again by whoever waits
        servers: list[dict[str, Any]] = json.loads(body).get("loadBalancer", {}).get("servers") or []
        return {str(server["url"]).removeprefix("http://"): bool(server.get("fenced")) for server in servers}

    def stop_store(self) -> None:
        """Have the store refuse connections: it listens on its own loopback alone, and cuts those it has."""
        self._store(store_commands.STOP)

    def pause_store(self, duration_s: float) -> None:
        """Have the store hold all commands back for so long."""
        self._store(store_commands.pause(duration_s))

    def start_store(self) -> None:
        """Have it listen again."""
        self._store(store_commands.START)

    def empty_store(self, database: int) -> None:
        """Forget all sessions and cached values in this database; what is applied by hand has another."""
        self._store(store_commands.empty(database))

    # -- inside ---------------------------------------------------------------------------------------

    def _ensure_secret(self) -> None:
        if not self._rights.may("create", SECRET) or self._context.api.get(SECRET, SECRET_NAME) is not None:
            return
        values = {"database-password": 16, "store-password": 16, "jwt-keys": 32, "state-keys": 32}
        self._context.api.create(
            {
                "apiVersion": "v1",
                "kind": SECRET.name,
                "metadata": {
                    "name": SECRET_NAME,
                    "namespace": self._context.target.namespace,
                    "labels": {PART_OF: "statefall", RUN_LABEL: self._context.run},
                },
                "stringData": {name: secrets.token_hex(size) for name, size in values.items()},
            }
        )

    def _ensure(self, manifest: Object) -> None:
        if not self._rights.may("create", kind_of(manifest)):
            if not stands(self._context.api, self._rights, manifest):
                raise EnvironmentUnfit(
                    f"{manifests.named(manifest)} is missing, and you may not make it",
                    where=f"namespace {self._context.target.namespace}",
                    hint=SET_UP_HINT,
                )
            return
        existing = self._context.api.get(kind_of(manifest), name_of(manifest))
        if existing is None:
            self._context.api.create(manifest)
        elif labels_of(existing).get(PART_OF) != "statefall":
            raise InputError(
                f"{manifests.named(manifest)} is not Statefall's: left alone",
                where=f"namespace {self._context.target.namespace}",
                hint="choose another namespace with STATEFALL_NAMESPACE",
            )

    def _run_job(self, manifest: Object) -> None:
        """Once for each database: one that was made anew has no data."""
        existing = self._context.api.get(JOB, name_of(manifest))
        if existing is not None:
            database = self._one("database")["metadata"]["creationTimestamp"]
            done = existing.get("status", {}).get("completionTime", "")
            if done > database:
                return
            self._context.api.delete(JOB, name_of(manifest), uid=str(existing["metadata"]["uid"]))
            self._context.end_pods(COMPONENT, "data", of_any_run=True)
            self._context.await_none(COMPONENT, "data", of_any_run=True)
        self._context.api.create(manifest)
        self._await("data", lambda objects: any(succeeded(manifest) for manifest in objects))

    def _await(self, component: str, settled: Any) -> None:
        def question(view: NamespaceView) -> bool:
            refuse_hopeless(view, COMPONENT, component)
            return bool(settled(view.labelled(COMPONENT, component)))

        if not wait_for_pods(self._context, COMPONENT, component, question, READY_TIMEOUT_S):
            raise ClusterError(
                f"the {component} was not ready after {READY_TIMEOUT_S:.0f} s: "
                + states(self._context.find(COMPONENT, component))
            )

    def _one(self, component: str) -> Object:
        found = [manifest for manifest in self._context.find(COMPONENT, component) if pod_of(manifest).ready]
        if not found:
            raise ClusterError(f"no {component} is ready: {states(self._context.find(COMPONENT, component))}")
        return found[-1]

    def _store(self, script: str) -> None:
        ended = run_in(self._context.api, name_of(self._one("store")), ["sh", "-c", script])
        if not ended.fine or "ERR" in ended.output:
            raise ClusterError(f"the store refused `{script}`: {ended.output.strip() or 'no answer'}")


def _all_ready(objects: list[Object]) -> bool:
    return bool(objects) and all(pod_of(manifest).ready for manifest in objects)
