"""The Kubernetes cluster: the same manifests as by hand, seen through watches, in one namespace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from statefall.clusters.kubernetes.api.access import configuration
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.tunnel import fetch
from statefall.clusters.kubernetes.examination import refuse_unfit
from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.demand import Size
from statefall.clusters.kubernetes.objects.kinds import LEASE, NAMESPACE
from statefall.clusters.kubernetes.objects.labels import label_value
from statefall.clusters.kubernetes.objects.pods import PORT
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.kubernetes.observe.informer import Informer
from statefall.clusters.kubernetes.ownership.cordons import Cordons
from statefall.clusters.kubernetes.ownership.lease import NAME, ConductorLease
from statefall.clusters.kubernetes.ownership.removal import every, remove_all
from statefall.clusters.kubernetes.ownership.takeover import clear, store_back
from statefall.clusters.kubernetes.run.context import RunContext
from statefall.clusters.kubernetes.run.faults import KubernetesFaults
from statefall.clusters.kubernetes.run.fingerprint import fingerprint
from statefall.clusters.kubernetes.run.infrastructure import KubernetesInfrastructure, ensure_namespace
from statefall.clusters.kubernetes.run.load import KubernetesLoad
from statefall.clusters.kubernetes.run.rollout import Rollout
from statefall.clusters.notices import Notices
from statefall.clusters.protocol import ClusterError, Listener, Pod
from statefall.records.cells import CellSpec
from statefall.records.load import LoadConfig
from statefall.records.terms import Balancer

_METRICS_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Opened:
    """The parts of an open cluster."""

    context: RunContext
    lease: ConductorLease
    infrastructure: KubernetesInfrastructure
    rollout: Rollout
    faults: KubernetesFaults
    cordons: Cordons
    load: KubernetesLoad


class KubernetesCluster:
    """Fulfils every Protocol of `statefall.clusters.protocol`. Use: `open`, `deploy`, ..., `close`."""

    kind = "kubernetes"

    def __init__(self, run_dir: Path, *, target: RunTarget | None = None, size: Size | None = None) -> None:
        """`run_dir`: names the run. `target`: else from the environment. `size`: of its largest cell."""
        self._run = label_value(run_dir.name)
        self._target = target or RunTarget.from_environment()
        self._size = size or Size()
        self._api: Api | None = None
        self._parts: _Opened | None = None
        self._loss = ""
        self._notices = Notices(self._on_loss)

    # -- the surroundings -----------------------------------------------------------------------------

    def open(self) -> None:
        """See `Cluster.open`. Raises EnvironmentUnfit with all that is missing."""
        if self._api is not None:
            raise ClusterError("the cluster is open already")
        self._api = Api(configuration(self._target), self._target.namespace)
        try:
            refuse_unfit(self._api, self._target, self._size)
            self._begin(self._api)
        except BaseException:
            self.close()
            raise

    def _begin(self, api: Api) -> None:
        if api.get(NAMESPACE, api.namespace) is not None and api.get(LEASE, NAME) is not None:
            clear(api)  # raises while another conductor lives
        informer = Informer(api, self._notices.put)
        context = RunContext(api, informer, self._target, self._run)
        lease = ConductorLease(api, self._run, self._on_loss)
        cordons = Cordons(api, lease)
        infrastructure = KubernetesInfrastructure(context)
        self._parts = _Opened(
            context,
            lease,
            infrastructure,
            Rollout(context, infrastructure),
            KubernetesFaults(context, cordons),
            cordons,
            KubernetesLoad(context, infrastructure),
        )
        rendered = manifests.render("overlays/plain")
        ensure_namespace(context, rendered)
        lease.take()
        informer.open()
        infrastructure.ensure(rendered)
        infrastructure.start_store()

    def close(self) -> None:
        """See `Cluster.close`. What stood there before the run stays.

        Raises ClusterError with all that could not be taken away. Until all of it was, another call tries
        again: an interrupt in the middle is one reason for that.
        """
        parts, api = self._parts, self._api
        if parts is not None and api is not None:
            _take_down(parts, api, self._run)
            parts.context.informer.close()
        if api is not None:
            api.close()
        self._notices.close()
        self._parts = self._api = None

    def fingerprint(self) -> Mapping[str, str]:
        """See `Cluster.fingerprint`."""
        return fingerprint(self._opened.context)

    # -- the deployment -------------------------------------------------------------------------------

    def deploy(self, deployment: CellSpec, *, timeout_s: float = 180.0) -> None:
        """See `Cluster.deploy`. It begins with an empty store."""
        parts = self._opened
        rendered = manifests.render(f"overlays/{deployment.balancer.value}")
        parts.infrastructure.ensure(rendered)
        parts.infrastructure.start_store()
        parts.rollout.begin(deployment, rendered, timeout_s)

    def withdraw(self) -> None:
        """See `Cluster.withdraw`."""
        self._opened.rollout.withdraw()

    def pods(self) -> tuple[Pod, ...]:
        """See `Cluster.pods`."""
        return self._opened.context.informer.pods(self._opened.rollout.running.name)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See `Cluster.subscribe`. May be called before `open`."""
        return self._notices.subscribe(listener)

    def metrics(self, pod: Pod) -> str:
        """See `Cluster.metrics`. Raises ClusterError when the pod does not answer."""
        context = self._opened.context
        return fetch(context.api, pod.name, PORT, "/metrics", timeout_s=_METRICS_TIMEOUT_S).decode()

    # -- faults ---------------------------------------------------------------------------------------

    def kill(self, pod: Pod) -> None:
        """See `Cluster.kill`."""
        self._opened.faults.kill(pod)

    def pause(self, pod: Pod) -> None:
        """See `Cluster.pause`."""
        self._opened.faults.pause(pod)

    def resume(self, pod: Pod) -> None:
        """See `Cluster.resume`."""
        self._opened.faults.resume(pod)

    def delete(self, pod: Pod, *, grace_s: float | None = None) -> None:
        """See `Cluster.delete`. With 0 the object goes at once, and its process a moment later."""
        self._opened.faults.delete(pod, grace_s)

    def evict(self, pod: Pod) -> None:
        """See `Cluster.evict`."""
        self._opened.faults.evict(pod)

    def drainable(self) -> tuple[str, ...]:
        """See `Cluster.drainable`."""
        return self._opened.faults.drainable()

    def cordon(self, node: str) -> tuple[Pod, ...]:
        """See `Cluster.cordon`. Raises ClusterError for a node that carries what the experiment needs."""
        return self._opened.faults.cordon(node)

    def uncordon(self, node: str) -> None:
        """See `Cluster.uncordon`."""
        self._opened.cordons.uncordon(node)

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        """See `Cluster.scale`."""
        return self._opened.rollout.scale(replicas)

    def roll(self) -> None:
        """See `Cluster.roll`. Goes on in the background: watch the transitions."""
        self._opened.rollout.roll()

    def undo(self) -> None:
        """See `Cluster.undo`."""
        self._opened.rollout.undo()

    def stop_store(self) -> None:
        """See `Cluster.stop_store`. Connections are refused, and those that were open are cut."""
        self._opened.infrastructure.stop_store()

    def pause_store(self, duration_s: float) -> None:
        """See `Cluster.pause_store`."""
        self._opened.infrastructure.pause_store(duration_s)

    def flush_store(self) -> None:
        """See `Cluster.flush_store`. What is applied by hand keeps its own."""
        self._opened.rollout.empty_store()

    def start_store(self) -> None:
        """See `Cluster.start_store`."""
        self._opened.infrastructure.start_store()

    # -- the load -------------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """Where the running deployment is called from inside of the cluster."""
        deployment = self._opened.rollout.running
        host = deployment.name if deployment.balancer is Balancer.CLIENT_IP else "balancer"
        return f"http://{host}:{PORT}"

    def start_load(self, config: LoadConfig) -> str:
        """See `Cluster.start_load`. An empty `target` becomes this cluster's balancer."""
        return self._opened.load.start(config, self.base_url)

    def load_end(self) -> str:
        """See `Cluster.load_end`."""
        return self._opened.load.end()

    def stop_load(self) -> None:
        """See `Cluster.stop_load`."""
        if self._parts is not None:
            self._parts.load.forget() if self._parts.lease.lost else self._parts.load.stop()

    # -- inside ---------------------------------------------------------------------------------------

    @property
    def _opened(self) -> _Opened:
        if self._parts is None:
            raise ClusterError("the cluster is not open")
        self._parts.lease.confirm()
        if self._loss:
            raise ClusterError(self._loss)
        return self._parts

    def _on_loss(self, reason: str) -> None:
        """Something that all rely on failed: every later call says so."""
        self._loss = self._loss or reason


def _take_down(parts: _Opened, api: Api, run: str) -> None:
    """Undo all of it, as far as it came. Nodes first: they outlive the namespace."""
    parts.load.forget()
    if parts.lease.taken():
        # Whoever took it has cleared what was here, and uses the nodes and the store now.
        parts.lease.release()
        return
    try:
        back = (parts.cordons.put_back, partial(remove_all, api, run), partial(store_back, api))
        every((*back, parts.rollout.await_end, parts.load.await_end))
    except ClusterError:
        parts.lease.let_expire()
        raise
    parts.lease.release()
