"""Workloads that stand already, as a cluster: all that is changed is put back, and what is made removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from statefall.clusters.kubernetes.api.access import configuration
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.tunnel import fetch
from statefall.clusters.kubernetes.attached.cell import AttachedCell
from statefall.clusters.kubernetes.attached.foreseen import look_ahead
from statefall.clusters.kubernetes.attached.making import Making, await_ready, given_in
from statefall.clusters.kubernetes.attached.refusals import Found, look
from statefall.clusters.kubernetes.objects.kinds import LEASE, NODE
from statefall.clusters.kubernetes.objects.labels import label_value
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.kubernetes.ownership.cordons import Cordons
from statefall.clusters.kubernetes.ownership.lease import NAME, ConductorLease, lives
from statefall.clusters.kubernetes.ownership.removal import every
from statefall.clusters.kubernetes.ownership.takeover import clear
from statefall.clusters.notices import Notices
from statefall.clusters.protocol import ClusterError, Listener, Pod, SeparateLoadHost
from statefall.records.cells import CellSpec, PlannedCell
from statefall.records.errors import InputError
from statefall.records.load import LoadConfig
from statefall.records.service import AttachedWorkload, ServiceSpec

_METRICS_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class AttachedPlan:
    """What a run will do to which services, and whether the user confirmed it."""

    services: Sequence[ServiceSpec]
    cells: Sequence[PlannedCell] = ()
    confirmed: bool = False

    def cells_of(self, service: ServiceSpec) -> list[PlannedCell]:
        """The cells in which this service is under test."""
        return [cell for cell in self.cells if cell.under_test == service]


def look_at_all(target: RunTarget, plan: AttachedPlan) -> list[tuple[ServiceSpec, Found]]:
    """Every service of the plan as it stands. Raises InputError with the first thing that does not fit."""
    found = []
    for service in plan.services:
        assert service.attached is not None
        api = api_of(target, service.attached.namespace)
        try:
            looked = look_ahead(api, service, plan.cells_of(service), confirmed=plan.confirmed)
            found.append((service, looked))
        finally:
            api.close()
    return found


def api_of(target: RunTarget, namespace: str) -> Api:
    """The API server as this namespace sees it. Raises EnvironmentUnfit."""
    return Api(configuration(target), namespace)


@dataclass(frozen=True, slots=True)
class _Site:
    """A namespace that this run works in."""

    api: Api
    lease: ConductorLease
    cordons: Cordons
    making: Making


class AttachedCluster:
    """A `Cluster` with `Pausing`, `Evictions` and `Nodes`. Use: `open`, `deploy`, ..., `close`."""

    kind = "kubernetes"

    def __init__(
        self, run_dir: Path, plan: AttachedPlan, *, load: SeparateLoadHost, target: RunTarget | None = None
    ) -> None:
        """`run_dir`: names the run. `load`: where the load generator runs."""
        self._run, self._plan, self._load = label_value(run_dir.name), plan, load
        self._target = target or RunTarget.from_environment()
        self._sites: dict[str, _Site] = {}
        self._uids: dict[AttachedWorkload, str] = {}
        self._cell: AttachedCell | None = None
        self._service: ServiceSpec | None = None
        self._found: list[tuple[ServiceSpec, Found]] = []
        self._loss = ""
        self._notices = Notices(self._on_loss)

    # -- the surroundings -----------------------------------------------------------------------------

    def open(self) -> None:
        """See `Cluster.open`: looks at every workload, takes each namespace's Lease, makes what is given.

        What is wrong with the file raises InputError before anything was changed.
        """
        if self._sites:
            raise ClusterError("the cluster is open already")
        try:
            looked = look_at_all(self._target, self._plan)
            namespaces = dict.fromkeys(each.attached.namespace for each, _ in looked if each.attached)
            given = {namespace: given_in(namespace, looked) for namespace in namespaces}
            cleared = [self._enter(namespace) for namespace in namespaces]
            if any(cleared):
                looked = look_at_all(self._target, self._plan)  # without what a dead run had left
            for namespace, site in self._sites.items():
                site.making.make(given[namespace])
            self._found = [(service, self._as_made(service, found)) for service, found in looked]
        except BaseException:
            self.close()
            raise

    def _as_made(self, service: ServiceSpec, found: Found) -> Found:
        """The workload as the cells will find it: what is made for the run is waited for and looked at."""
        attached = service.attached
        assert attached is not None
        if found.given:
            api = self._sites[attached.namespace].api
            await_ready(api, found.given)
            found = look(api, service, self._plan.cells_of(service), confirmed=True)
        self._uids[attached] = found.workload.uid
        return found

    def _enter(self, namespace: str) -> bool:
        """Take its Lease; whether a dead run's was found, and what that had left put back."""
        api = api_of(self._target, namespace)
        try:
            existing = api.get(LEASE, NAME)
            if existing is not None and not lives(api, existing):
                clear(api)
            lease = ConductorLease(api, self._run, self._on_loss, attached=True)
            lease.take()
        except BaseException:
            api.close()
            raise
        self._sites[namespace] = _Site(api, lease, Cordons(api, lease), Making(api, lease, self._run))
        return existing is not None

    def close(self) -> None:
        """See `Cluster.close`. Raises ClusterError with all that could not be put back."""
        try:
            made = [site.making.remove for site in self._sites.values()]
            every([self._load.close, self._leave_cell, *made])
        except ClusterError:
            for site in self._sites.values():
                site.lease.let_expire()  # it keeps the note, for `statefall recover`
            raise
        every([partial(self._leave, namespace) for namespace in tuple(self._sites)])
        self._notices.close()

    def _leave_cell(self) -> None:
        cell = self._cell
        if cell is not None:
            cell.put_back()
            cell.close()
            self._cell = None

    def _leave(self, namespace: str) -> None:
        site = self._sites[namespace]
        site.lease.release()
        site.api.close()
        del self._sites[namespace]

    def fingerprint(self) -> Mapping[str, str]:
        """See `Cluster.fingerprint`."""
        api = next(iter(self._opened.values())).api
        found = {"kubernetes": api.version()}
        for service, looked in self._found:
            workload = looked.workload
            containers = workload.template["spec"]["containers"]
            images = ", ".join(str(container["image"]) for container in containers)
            found[f"service {service.name}"] = f"{workload.title}, {workload.replicas} replicas, {images}"
        if api.allowed("list", "", "nodes", anywhere=True):
            nodes = api.list(NODE).items
            found["nodes"] = str(len(nodes))
            found["kernel"] = ", ".join(
                sorted({node["status"]["nodeInfo"]["kernelVersion"] for node in nodes})
            )
        return found

    # -- the deployment -------------------------------------------------------------------------------

    def deploy(self, deployment: CellSpec, *, timeout_s: float = 180.0) -> None:
        """See `Cluster.deploy`: waits until the workload is as it was found. Raises ClusterError."""
        service = deployment.under_test
        if service is None or service.attached is None:
            raise InputError(f"{deployment.name}: no workload is named that stands already", where="service")
        site = self._opened[service.attached.namespace]
        if self._cell is not None:
            raise ClusterError("another cell has not been put back")
        self._cell = AttachedCell(site.api, site.lease, site.cordons, service.attached, self._notices.put)
        self._service = service
        self._cell.begin(deployment, self._uids[service.attached], timeout_s)

    def withdraw(self) -> None:
        """See `Cluster.withdraw`: puts the workload back, and returns once it is as it was."""
        if self._cell is not None:
            self._cell.end()
            self._cell.close()
            self._cell = None

    def pods(self) -> tuple[Pod, ...]:
        """See `Cluster.pods`."""
        return self._running.acts.pods()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See `Cluster.subscribe`. May be called before `open`."""
        return self._notices.subscribe(listener)

    def metrics(self, pod: Pod) -> str:
        """See `Cluster.metrics`. Raises ClusterError when the pod does not answer, or has none."""
        service = self._service
        if service is None or service.attached is None or not service.metrics:
            raise ClusterError(f"pod {pod.name}: the service has no metrics of its own")
        api, port = self._opened[service.attached.namespace].api, int(pod.address.rpartition(":")[2] or 0)
        return fetch(api, pod.name, port, service.metrics, timeout_s=_METRICS_TIMEOUT_S).decode()

    # -- faults ---------------------------------------------------------------------------------------

    def kill(self, pod: Pod) -> None:
        """See `Cluster.kill`."""
        self._running.acts.kill(pod)

    def pause(self, pod: Pod) -> None:
        """See `Cluster.pause`. The first process of the container cannot be."""
        self._running.pause(pod)

    def resume(self, pod: Pod) -> None:
        """See `Cluster.resume`."""
        self._running.resume(pod)

    def delete(self, pod: Pod, *, grace_s: float | None = None) -> None:
        """See `Cluster.delete`. With the pod's own grace period unless given."""
        self._running.acts.delete(pod, grace_s)

    def evict(self, pod: Pod) -> None:
        """See `Cluster.evict`. Beside a disruption budget, `most_down` decides."""
        self._running.acts.evict(pod)

    def drainable(self) -> tuple[str, ...]:
        """See `Cluster.drainable`."""
        return self._running.acts.drainable()

    def cordon(self, node: str) -> tuple[Pod, ...]:
        """See `Cluster.cordon`. Pods of others stay where they are."""
        cell = self._running
        cell.cordons.cordon(node)
        return tuple(pod for pod in cell.acts.pods() if pod.node == node and not pod.terminating)

    def uncordon(self, node: str) -> None:
        """See `Cluster.uncordon`."""
        self._running.cordons.uncordon(node)

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        """See `Cluster.scale`."""
        return self._running.scale(replicas)

    def roll(self) -> None:
        """See `Cluster.roll`. As the workload's own strategy says."""
        self._running.roll()

    # -- the load -------------------------------------------------------------------------------------

    def start_load(self, config: LoadConfig) -> str:
        """See `Cluster.start_load`. An empty `target` becomes the URL of the service's file."""
        service = self._service
        url = service.attached.url if service is not None and service.attached is not None else ""
        return self._load.start_load(replace(config, target=config.target or url))

    def load_end(self) -> str:
        """See `Cluster.load_end`."""
        return self._load.load_end()

    def stop_load(self) -> None:
        """See `Cluster.stop_load`."""
        self._load.stop_load()

    # -- inside ---------------------------------------------------------------------------------------

    @property
    def _opened(self) -> dict[str, _Site]:
        if not self._sites:
            raise ClusterError("the cluster is not open")
        for site in self._sites.values():
            site.lease.confirm()
        if self._loss:
            raise ClusterError(self._loss)
        return self._sites

    @property
    def _running(self) -> AttachedCell:
        self._opened  # noqa: B018 - raises when the Lease is lost
        if self._cell is None:
            raise ClusterError("nothing is deployed")
        return self._cell

    def _on_loss(self, reason: str) -> None:
        """Something that all rely on failed: every later call says so."""
        self._loss = self._loss or reason
