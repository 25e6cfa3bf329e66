"""The local cluster: pods as processes of this machine, with a real balancer, database and store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from statefall.clusters.capabilities import needs_of_balancer
from statefall.clusters.local.containers import Runtime
from statefall.clusters.local.controller import Controller
from statefall.clusters.local.fingerprint import fingerprint
from statefall.clusters.local.hindrances import StopAndGo
from statefall.clusters.local.infrastructure import LocalInfrastructure, harness_environment
from statefall.clusters.local.load import LocalLoad
from statefall.clusters.local.loopback import Unanswered, request
from statefall.clusters.local.processes import Child
from statefall.clusters.local.router import Router
from statefall.clusters.local.view import LocalView
from statefall.clusters.notices import Notices
from statefall.clusters.protocol import ClusterError, Listener, Pod
from statefall.clusters.registry import refuse_lacking
from statefall.content import with_content
from statefall.records.cells import CellSpec
from statefall.records.errors import InputError
from statefall.records.load import LoadConfig
from statefall.records.service import ServiceSpec

_WITHDRAW_TIMEOUT_S = 15.0
_METRICS_TIMEOUT_S = 5.0
_STORE = "store"


class LocalCluster:
    """A `Cluster` with all parts but those of nodes and revisions. Use: `open`, `deploy`, ..., `close`."""

    kind = "local"

    def __init__(
        self,
        run_dir: Path,
        *,
        services: Sequence[ServiceSpec],
        seed: int = 1,
        ports: range | None = None,
        keep_logs: bool = False,
        load_command: tuple[str, ...] | None = None,
    ) -> None:
        """`services`: all that will be deployed; the first is that of cells which name none.

        `seed`: of data that are prepared. `ports`: take only these. `keep_logs`: even when all went well.
        `load_command` stands in for the load generator, for tests.
        """
        self._services = tuple(services)
        self._deployed = self._services[0]
        self._metrics = "/metrics"
        self._home = run_dir.resolve() / "cluster"
        self._allowed_ports, self._keep_logs = ports, keep_logs
        self._load_command, self._seed = load_command, seed
        self._base: LocalInfrastructure | None = None
        self._notices = Notices(self._on_loss)
        self._controller: Controller | None = None
        self._router: Router | None = None
        self._load: LocalLoad | None = None
        self._slowed: dict[str, StopAndGo] = {}
        """By the UID of the pod."""

    # -- the surroundings -----------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """The balancer's URL, the same for every deployment."""
        return f"http://{self._opened().balancer.entry.address}"

    def open(self) -> None:
        """See `Cluster.open`. Raises EnvironmentUnfit when a program or a port is missing."""
        if self._base is not None:
            raise ClusterError("the cluster is open already")
        try:
            self._base = LocalInfrastructure(
                self._home, self._allowed_ports, self._on_loss, self._services, self._seed
            )
            self._base.start()
            self._begin(self._base)
        except BaseException as error:
            self._keep_logs = self._keep_logs or isinstance(error, ClusterError)
            self.close()
            raise

    def _begin(self, base: LocalInfrastructure) -> None:
        environment = {**harness_environment(), "PYTHONUNBUFFERED": "1"}
        runtime = Runtime(base.spawner, environment, base.logs, base.values_for, self._services[0])
        self._controller = Controller(runtime, base.ports, self._notices)
        self._router = Router(base.balancer, self._controller.routed, self._on_loss)
        self._load = LocalLoad(
            base.spawner,
            base.ports,
            base.live.folder("load"),
            base.logs / "load.log",
            with_content(harness_environment()),
            self._load_command,
            base.access_log,
        )
        self._controller.begin(self._router)

    def close(self) -> None:
        """See `Cluster.close`. Data goes; logs stay in the run directory when something had failed."""
        controller, router, base = self._controller, self._router, self._base
        if controller is not None:
            failed = controller.view.broken or controller.view.hopeless or controller.view.mishaps
            self._keep_logs = self._keep_logs or bool(failed)
            controller.end()
        if router is not None:
            router.close()
        left = base.close(keep_logs=self._keep_logs) if base is not None else []
        if router is not None:
            router.join()
        self._notices.close()
        self._controller = self._router = self._load = self._base = None
        if left:
            raise ClusterError(f"these processes would not end: {', '.join(left)}")

    def fingerprint(self) -> Mapping[str, str]:
        """See `Cluster.fingerprint`."""
        return fingerprint(self._opened().programs)

    # -- the deployment ---------------------------------------------------------------------------------

    def deploy(self, deployment: CellSpec, *, timeout_s: float = 120.0) -> None:
        """See `Cluster.deploy`. It begins with an empty store. Raises ClusterError if never ready."""
        refuse_lacking(self.kind, needs_of_balancer(deployment.balancer, where=deployment.name))
        base, controller = self._opened(), self._controlled()
        service = self._deployed = deployment.under_test or self._services[0]
        self._metrics = service.metrics or "/metrics"
        base.renew(service)
        controller.ask(lambda: controller.deploy(deployment))

        def settled(view: LocalView) -> bool:
            return bool(view.hopeless) or view.ready_and_routed(deployment.replicas, deployment.name)

        if not controller.wait_for(settled, timeout_s):
            self._keep_logs = True
            ready = sum(pod.ready for pod in self.pods())
            raise ClusterError(
                f"{deployment.name}: {ready} of {deployment.replicas} replicas ready after {timeout_s:.0f} s"
                f" (logs: {base.logs})"
            )
        if hopeless := controller.view.hopeless:
            raise ClusterError(f"{deployment.name}: {hopeless} (logs: {base.logs})")

    def addresses(self) -> Mapping[str, str]:
        """See `Reachable.addresses`."""
        values = self._opened().values_for(self._deployed)
        urls = {"balancer": self.base_url}
        return urls | {part: url for part, url in values.items() if part in ("store", "database")}

    def withdraw(self) -> None:
        """See `Cluster.withdraw`."""
        for slowed in tuple(self._slowed):
            self._end_slowness(slowed)
        controller = self._controlled()
        controller.ask(controller.withdraw)
        if not controller.wait_for(LocalView.empty, _WITHDRAW_TIMEOUT_S):
            raise ClusterError(f"the deployment was not gone after {_WITHDRAW_TIMEOUT_S:.0f} s")
        controller.ask(controller.forget)

    def pods(self) -> tuple[Pod, ...]:
        """See `Cluster.pods`."""
        return self._controlled().view.pods

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See `Cluster.subscribe`. May be called before `open`. A listener that raises breaks the cluster."""
        return self._notices.subscribe(listener)

    def metrics(self, pod: Pod) -> str:
        """See `Cluster.metrics`. Raises ClusterError when the pod does not answer."""
        try:
            status, body = request(pod.address, "GET", self._metrics, timeout_s=_METRICS_TIMEOUT_S)
        except Unanswered as error:
            raise ClusterError(f"pod {pod.name}: no metrics: {error}") from error
        if status != 200:
            raise ClusterError(f"pod {pod.name}: its metrics answered {status}")
        return body.decode()

    # -- faults -------------------------------------------------------------------------------------------

    def kill(self, pod: Pod) -> None:
        """See `Cluster.kill`. Raises ClusterError when the pod is gone or has no running container."""
        controller = self._controlled()
        controller.ask(lambda: controller.kill(pod.uid))

    def pause(self, pod: Pod) -> None:
        """See `Cluster.pause`. Raises ClusterError when the pod is gone or does not stand still."""
        if not self._process_of(pod).suspend():
            raise ClusterError(f"pod {pod.name} does not stand still")

    def resume(self, pod: Pod) -> None:
        """See `Cluster.resume`."""
        controller = self._controlled()
        process = controller.ask(lambda: controller.process(pod.uid))
        if process is not None:
            process.go_on()

    def kill_worker(self, pod: Pod) -> None:
        """See `Cluster.kill_worker`. Raises ClusterError when there is none."""
        if not self._process_of(pod).kill_worker():
            raise ClusterError(f"pod {pod.name}: its first process has no worker that could be killed")

    def slow(self, pod: Pod) -> None:
        """See `Cluster.slow`. Raises ClusterError when the pod is gone or does not stand still."""
        self._slow(pod.uid, self._process_of(pod))

    def end_slowness(self, pod: Pod) -> None:
        """See `Cluster.end_slowness`."""
        self._end_slowness(pod.uid)

    def withhold_readiness(self, pod: Pod) -> None:
        """See `Cluster.withhold_readiness`. It is unready after as many probes as a kubelet takes."""
        controller = self._controlled()
        controller.ask(lambda: controller.withheld.add_pod(pod.uid))

    def give_readiness_back(self, pod: Pod) -> None:
        """See `Cluster.give_readiness_back`."""
        controller = self._controlled()
        controller.ask(lambda: controller.withheld.give_back(pod.uid))

    def roll_badly(self) -> None:
        """See `Cluster.roll_badly`. The new replicas run; their probes fail whatever they answer."""
        controller = self._controlled()
        controller.ask(lambda: controller.roll(badly=True))

    def undo_bad_roll(self) -> None:
        """See `Cluster.undo_bad_roll`."""
        controller = self._controlled()
        controller.ask(controller.undo_bad_roll)

    def restart_balancer(self) -> None:
        """See `Cluster.restart_balancer`. Raises ClusterError when it does not end or start."""
        base, router = self._opened(), self._router
        assert router is not None
        router.interrupt(base.restart_balancer)

    def reload_balancer(self) -> None:
        """See `Cluster.reload_balancer`."""
        base, router = self._opened(), self._router
        assert router is not None
        router.interrupt(base.balancer.change)

    def delete(self, pod: Pod, *, grace_s: float | None = None) -> None:
        """See `Cluster.delete`. Without grace it is SIGKILL at once. Raises ClusterError when it is gone."""
        controller = self._controlled()
        controller.ask(lambda: controller.delete(pod.uid, grace_s))

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        """See `Cluster.scale`."""
        if replicas < 0:
            raise InputError(f"cannot scale to {replicas} replicas", hint="0 or more")
        controller = self._controlled()
        return controller.ask(lambda: controller.scale(replicas))

    def roll(self) -> None:
        """See `Cluster.roll`. Goes on in the background: watch the transitions."""
        controller = self._controlled()
        controller.ask(controller.roll)

    def stop_store(self) -> None:
        """See `Cluster.stop_store`. Connections are refused, as when a Service has no endpoint."""
        self._opened().stop_store()

    def pause_store(self, duration_s: float) -> None:
        """See `Cluster.pause_store`."""
        self._opened().store.pause(duration_s)

    def flush_store(self) -> None:
        """See `Cluster.flush_store`. Raises ClusterError."""
        self._opened().store.empty()

    def slow_store(self) -> None:
        """See `Cluster.slow_store`. Raises ClusterError when it is down."""
        process = self._opened().store.process
        if process is None:
            raise ClusterError("the store is down: it cannot be slowed")
        self._slow(_STORE, process)

    def end_slowness_of_store(self) -> None:
        """See `Cluster.end_slowness_of_store`."""
        self._end_slowness(_STORE)

    def start_store(self) -> None:
        """See `Cluster.start_store`."""
        self._opened().start_store()

    # -- the load -----------------------------------------------------------------------------------------

    def start_load(self, config: LoadConfig) -> str:
        """See `Cluster.start_load`. An empty `target` becomes this cluster's balancer."""
        self._opened()
        assert self._load is not None
        try:
            return self._load.start(config, self.base_url)
        except ClusterError:
            self._keep_logs = True
            raise

    def load_end(self) -> str:
        """See `Cluster.load_end`. Its log is kept then."""
        end = self._load.end() if self._load is not None else ""
        self._keep_logs = self._keep_logs or bool(end)
        return end

    def stop_load(self) -> None:
        """See `Cluster.stop_load`."""
        if self._load is not None:
            self._load.stop()

    # -- inside -------------------------------------------------------------------------------------------

    def _process_of(self, pod: Pod) -> Child:
        controller = self._controlled()
        process = controller.ask(lambda: controller.process(pod.uid))
        if process is None:
            raise ClusterError(f"pod {pod.name} has no running container")
        return process

    def _slow(self, what: str, process: Child) -> None:
        self._end_slowness(what)
        self._slowed[what] = StopAndGo(process)

    def _end_slowness(self, what: str) -> None:
        slowed = self._slowed.pop(what, None)
        if slowed is not None:
            slowed.end()

    def _opened(self) -> LocalInfrastructure:
        if self._base is None:
            raise ClusterError("the cluster is not open")
        return self._base

    def _controlled(self) -> Controller:
        if self._controller is None:
            raise ClusterError("the cluster is not open")
        return self._controller

    def _on_loss(self, reason: str) -> None:
        """A part that all rely on failed: every later call says so."""
        if self._controller is not None:
            self._controller.broke(reason)
