"""The local cluster: pods as processes of this machine, with a real balancer, database and store."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from clusters.local.containers import Runtime
from clusters.local.controller import Controller
from clusters.local.fingerprint import fingerprint
from clusters.local.infrastructure import Infrastructure, harness_environment
from clusters.local.load import Load
from clusters.local.loopback import Unanswered, request
from clusters.local.routing import Router
from clusters.local.template import Recipe
from clusters.local.view import View
from clusters.notices import Notices
from clusters.protocol import ClusterError, Deployment, Listener, Pod
from foundation.errors import InputError
from foundation.terms import Balancer

_WITHDRAW_TIMEOUT_S = 15.0
_METRICS_TIMEOUT_S = 5.0


class LocalCluster:
    """Fulfils `clusters.protocol.Cluster`. Use: `open`, `deploy`, ..., `close`."""

    kind = "local"

    def __init__(
        self,
        run_dir: Path,
        *,
        seed: int = 1,
        ports: range | None = None,
        keep_logs: bool = False,
        replica_command: tuple[str, ...] | None = None,
        prepare_command: tuple[str, ...] | None = None,
        load_command: tuple[str, ...] | None = None,
    ) -> None:
        """`seed`: of the generated shop. `ports`: take only these. `keep_logs`: even when all went well.

        The commands stand in for the project's own programs, for tests.
        """
        self._home = run_dir.resolve() / "cluster"
        self._allowed_ports, self._keep_logs = ports, keep_logs
        self._replica_command, self._load_command = replica_command, load_command
        self._recipe = Recipe(seed, prepare_command)
        self._base: Infrastructure | None = None
        self._notices = Notices(self._on_loss)
        self._controller: Controller | None = None
        self._router: Router | None = None
        self._load: Load | None = None

    # -- the surroundings -----------------------------------------------------------------------------

    @property
    def target(self) -> str:
        """The balancer's URL, the same for every deployment."""
        return f"http://{self._opened().balancer.entry.address}"

    def open(self) -> None:
        """See `Cluster.open`. Raises EnvironmentUnfit when a program or a port is missing."""
        if self._base is not None:
            raise ClusterError("the cluster is open already")
        try:
            self._base = Infrastructure(self._home, self._allowed_ports, self._on_loss)
            self._base.start(self._recipe)
            self._begin(self._base)
        except BaseException as error:
            self._keep_logs = self._keep_logs or isinstance(error, ClusterError)
            self.close()
            raise

    def _begin(self, base: Infrastructure) -> None:
        environment = {
            **harness_environment(),
            "PYTHONUNBUFFERED": "1",
            "STATEFALL_ENVIRONMENT": "local",
            "STATEFALL_DATABASE_URL": base.database_url,
            "STATEFALL_STORE_URL": base.store.url,
            "STATEFALL_JWT_KEYS": secrets.token_hex(32),
        }
        runtime = Runtime(
            base.spawner, self._replica_command, environment, base.live.folder("replicas"), base.logs
        )
        self._controller = Controller(runtime, base.ports, self._notices)
        self._router = Router(base.balancer, self._controller.routed, self._on_loss)
        self._load = Load(
            base.spawner,
            base.ports,
            base.live.folder("load"),
            base.logs / "load.log",
            harness_environment(),
            self._load_command,
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

    def deploy(self, deployment: Deployment, *, timeout_s: float = 60.0) -> None:
        """See `Cluster.deploy`. It begins with an empty store. Raises ClusterError if never ready."""
        refuse_balancer(deployment.balancer, where=deployment.name)
        base, controller = self._opened(), self._controlled()
        base.start_store()
        base.store.empty()
        controller.ask(lambda: controller.deploy(deployment))

        def settled(view: View) -> bool:
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

    def withdraw(self) -> None:
        """See `Cluster.withdraw`."""
        controller = self._controlled()
        controller.ask(controller.withdraw)
        if not controller.wait_for(View.empty, _WITHDRAW_TIMEOUT_S):
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
            status, body = request(pod.address, "GET", "/metrics", timeout_s=_METRICS_TIMEOUT_S)
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

    def delete(self, pod: Pod, *, grace_s: float | None = None) -> None:
        """See `Cluster.delete`. Without grace it is SIGKILL at once. Raises ClusterError when it is gone."""
        controller = self._controlled()
        controller.ask(lambda: controller.delete(pod.uid, grace_s))

    def evict(self, pod: Pod) -> None:
        """See `Cluster.evict`. Raises InputError: nothing here keeps disruption budgets."""
        raise _needs_kubernetes("an eviction", "a disruption budget decides on it; `delete` is its like here")

    def drainable(self) -> tuple[str, ...]:
        """See `Cluster.drainable`. None: there is one node, which carries everything."""
        return ()

    def cordon(self, node: str) -> tuple[Pod, ...]:
        """See `Cluster.cordon`. Raises InputError: there is one node."""
        raise _needs_kubernetes("a node drain", "here there is one node")

    def uncordon(self, node: str) -> None:
        """See `Cluster.uncordon`. Raises InputError: there is one node."""
        raise _needs_kubernetes("a node drain", "here there is one node")

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

    def undo(self) -> None:
        """See `Cluster.undo`. Raises InputError: revisions differ in their name alone here."""
        raise _needs_kubernetes("a rollback", "here it would be the same as another rolling update")

    def stop_store(self) -> None:
        """See `Cluster.stop_store`. Connections are refused, as when a Service has no endpoint."""
        self._opened().stop_store()

    def pause_store(self, duration_s: float) -> None:
        """See `Cluster.pause_store`."""
        self._opened().store.pause(duration_s)

    def start_store(self) -> None:
        """See `Cluster.start_store`."""
        self._opened().start_store()

    # -- the load -----------------------------------------------------------------------------------------

    def start_load(self, config: bytes) -> str:
        """See `Cluster.start_load`. An empty `target` becomes this cluster's balancer."""
        self._opened()
        assert self._load is not None
        try:
            return self._load.start(config, self.target)
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

    def _opened(self) -> Infrastructure:
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


def _needs_kubernetes(what: str, why: str) -> InputError:
    return InputError(f"{what} needs Kubernetes: {why}", hint="--cluster kubernetes")


def refuse_balancer(balancer: Balancer, *, where: str) -> None:
    """Raises InputError for one that needs the network of a Kubernetes cluster."""
    if balancer is Balancer.CLIENT_IP:
        raise InputError(
            "the balancer `client-ip` needs Kubernetes: it is the affinity of a Service, below layer 7",
            where=where,
            hint="--cluster kubernetes, or `sticky` here",
        )
