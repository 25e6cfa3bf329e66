"""The thread that owns the pods: it takes events one by one, then does what the pure parts say is due.

Everything that happens reaches it through one queue: calls from outside, ended containers,
answered probes, routes taken up by the balancer. Others read the view that it publishes.
"""

from __future__ import annotations

import queue
import secrets
import signal
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from clusters.local import lifecycle, replicaset
from clusters.local.containers import Container, Runtime
from clusters.local.lifecycle import PodState, Step
from clusters.local.ports import Port, Ports
from clusters.local.processes import Child
from clusters.local.replicaset import Wanted
from clusters.local.routing import changes, endpoints
from clusters.local.traefik import Route
from clusters.notices import Notices
from clusters.protocol import ClusterError, Deployment, Pod, PodTransition, Transition
from foundation.clock import Instant, system_clock
from foundation.errors import StatefallError
from foundation.terms import Balancer

_Answer = TypeVar("_Answer")
_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Those of Kubernetes' generated names: no vowels, so no words."""
_CRASHES_UNTIL_HOPELESS = 2
"""A container that ends so often before it was ever ready will not be ready soon."""


class RouteSink(Protocol):
    """Where routes go."""

    def want(self, route: Route) -> None:
        """Follow it soon."""


@dataclass(frozen=True, slots=True)
class View:
    """What the controller publishes after every event."""

    pods: tuple[Pod, ...] = ()
    route: Route | None = None
    """What the balancer follows."""
    broken: str = ""
    """Why the cluster can no longer be relied on."""
    hopeless: str = ""
    """Why the deployment will not become ready."""
    mishaps: int = 0
    """Containers that ended without being asked to."""


class Controller:
    """Owns the pods of at most one deployment."""

    def __init__(self, runtime: Runtime, ports: Ports, notices: Notices) -> None:
        self._runtime, self._ports, self._notices = runtime, ports, notices
        self._router: RouteSink | None = None
        self._events: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._deployment: Deployment | None = None
        self._wanted: Wanted | None = None
        self._revisions = 0
        self._pods: dict[str, PodState] = {}
        self._containers: dict[str, Container] = {}
        self._addresses: dict[str, Port] = {}
        self._gone: dict[str, Pod] = {}
        """Pods that are gone while the balancer may still send requests to their address."""
        self._crashes: dict[str, int] = {}
        self._route: Route | None = None
        """What the balancer follows."""
        self._telling: Route | None = None
        """What the balancer is being told."""
        self._last = system_clock()
        self._view = View()
        self._published = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)

    # -- from other threads ---------------------------------------------------------------------

    def begin(self, router: RouteSink) -> None:
        """Start to work, with this sink for routes."""
        self._router = router
        self._thread.start()

    def end(self) -> None:
        """Stop working; what runs goes on."""
        self._events.put(None)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def view(self) -> View:
        """What is known now."""
        with self._published:
            return self._view

    def ask(self, command: Callable[[], _Answer]) -> _Answer:
        """Run it between two events; what follows from it has been begun when this returns.

        Raises what it raises, and ClusterError when the cluster is broken or closed.
        """
        future: Future[_Answer] = Future()

        def run() -> None:
            try:
                answer = command()
                self._settle()
            except StatefallError as error:
                future.set_exception(error)
            else:
                future.set_result(answer)

        self._refuse_if_broken(self.view)
        self._events.put(run)
        while not future.done():
            if not self._thread.is_alive() and not future.done():
                self._refuse_if_broken(self.view)
                raise ClusterError("the cluster is closed")
            try:
                return future.result(timeout=0.5)
            except TimeoutError:
                continue
        return future.result()

    def wait_for(self, reached: Callable[[View], bool], timeout_s: float) -> bool:
        """Wait until the view satisfies it; False when it did not in time. Raises ClusterError if broken."""
        with self._published:
            self._published.wait_for(lambda: bool(self._view.broken) or reached(self._view), timeout_s)
            self._refuse_if_broken(self._view)
            return reached(self._view)

    def container_exited(self, container_id: str, child: Child) -> None:
        """To be called when a container's process group is gone."""
        self._events.put(lambda: self._on_exit(container_id, child))

    def probed(self, container_id: str, passed: bool) -> None:
        """To be called with every answer of a readiness probe."""
        self._events.put(lambda: self._on_probe(container_id, passed))

    def routed(self, route: Route) -> None:
        """To be called when the balancer follows this route."""
        self._events.put(lambda: self._on_route(route))

    def broke(self, reason: str) -> None:
        """To be called when a part that all deployments need has failed."""
        self._events.put(lambda: self._on_breakage(reason))

    # -- commands, to be given to `ask` -------------------------------------------------------------

    def deploy(self, deployment: Deployment) -> None:
        """Begin to run it."""
        if self._deployment is not None:
            raise ClusterError(f"{self._deployment.name} is still deployed")
        self._deployment = deployment
        self._crashes.clear()
        self._publish(hopeless="")
        self._wanted = Wanted(deployment.replicas, self._new_revision())

    def withdraw(self) -> None:
        """Begin to remove all pods, without grace."""
        self._wanted = None
        for pod in list(self._pods.values()):
            self._delete(pod, grace_s=0.0)

    def forget(self) -> None:
        """The withdrawn deployment is gone."""
        self._deployment = None

    def kill(self, uid: str) -> None:
        """SIGKILL the container of this pod."""
        pod = self._known(uid)
        container = self._containers.get(uid)
        if container is None or not container.send(signal.SIGKILL):
            raise ClusterError(f"pod {pod.name} has no running container to kill")

    def delete(self, uid: str, grace_s: float | None) -> None:
        """Begin to delete this pod."""
        pod = self._known(uid)
        deployment = self._running()
        self._delete(pod, deployment.grace_s if grace_s is None else grace_s)

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        """Begin to have so many pods; those chosen to go."""
        deployment, wanted = self._running(), self._wanted
        assert wanted is not None
        going = {pod.uid for pod in self._pods.values() if pod.terminating}
        self._deployment = replace(deployment, replicas=replicas)
        self._wanted = replace(wanted, replicas=replicas)
        self._reconcile_replicas()
        return tuple(pod.seen() for pod in self._pods.values() if pod.terminating and pod.uid not in going)

    def roll(self) -> None:
        """Begin to replace all pods by those of a new revision."""
        self._running()
        assert self._wanted is not None
        self._wanted = replace(self._wanted, revision=self._new_revision())

    # -- the loop -----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (event := self._next_event()) is not None:
                event()
                self._settle()
        except StatefallError as error:
            self._on_breakage(str(error))
        except Exception as error:  # noqa: BLE001 - whoever waits must learn that nobody works any more
            self._on_breakage(f"the controller failed: {error!r}")

    def _next_event(self) -> Callable[[], None] | None:
        times = [at for pod in self._pods.values() if (at := lifecycle.next_due(pod)) is not None]
        if not times:
            return self._events.get()
        try:
            return self._events.get(timeout=max(min(times) - time.monotonic(), 0))
        except queue.Empty:
            return lambda: None  # something is due

    def _settle(self) -> None:
        """Do all that is due, tell the balancer, publish."""
        while self._do_what_is_due() or self._reconcile_replicas():
            pass
        self._tell_balancer()
        self._publish(pods=tuple(pod.seen() for pod in self._pods.values()), route=self._route)

    def _tell_balancer(self) -> None:
        deployment = self._deployment
        if deployment is None or self._telling is not None or self._router is None:
            return  # when it has taken up what it is being told, this is called again
        sticky = deployment.balancer is Balancer.STICKY
        route = Route(deployment.name, sticky, endpoints(self._pods.values()))
        if route != self._route:
            self._telling = route
            self._router.want(route)
        else:
            self._let_addresses_go()

    def _do_what_is_due(self) -> bool:
        now_s = time.monotonic()
        steps = [(pod, step) for pod in self._pods.values() if (step := lifecycle.due(pod, now_s))]
        for pod, step in steps:
            self._do(pod, step)
        return bool(steps)

    def _do(self, pod: PodState, step: Step) -> None:
        if step is Step.START:
            self._start(pod)
        elif step is Step.TERM:
            self._containers[pod.uid].send(signal.SIGTERM)
            self._become(lifecycle.told_to_stop(pod))
        elif step is Step.KILL:
            self._containers[pod.uid].send(signal.SIGKILL)
            self._become(lifecycle.told_to_die(pod))
        else:
            self._remove(pod)

    def _reconcile_replicas(self) -> bool:
        if self._wanted is None:
            return False
        todo = replicaset.plan(tuple(self._pods.values()), self._wanted, time.monotonic())
        for uid in todo.remove:
            self._delete(self._pods[uid], self._running().grace_s)
        for _ in range(todo.create):
            self._create(self._wanted.revision)
        return bool(todo.create or todo.remove)

    # -- what is done to pods -------------------------------------------------------------------------

    def _create(self, revision: str) -> None:
        port = self._ports.take("replica")
        suffix = "".join(secrets.choice(_NAME_LETTERS) for _ in range(5))
        name = f"{self._running().name}-{revision}-{suffix}"
        pod = PodState(name, str(uuid.uuid4()), port.address, revision, created_s=time.monotonic())
        self._addresses[pod.uid] = port
        self._pods[pod.uid] = pod
        self._emit(None, pod)

    def _start(self, pod: PodState) -> None:
        container = self._runtime.start(pod, self._running(), self.container_exited, self.probed)
        self._containers[pod.uid] = container
        self._become(lifecycle.started(pod, container.id, time.monotonic()))

    def _delete(self, pod: PodState, grace_s: float) -> None:
        pre_stop_s = self._running().pre_stop_s
        self._become(lifecycle.deleted(pod, time.monotonic(), grace_s=grace_s, pre_stop_s=pre_stop_s))

    def _remove(self, pod: PodState) -> None:
        del self._pods[pod.uid]
        self._gone[pod.uid] = pod.seen()
        self._emit(pod, None)

    def _let_addresses_go(self) -> None:
        """The ports of the gone are others' to take, now that the balancer sends nothing there."""
        for uid in self._gone:
            self._addresses.pop(uid).release()
        self._gone.clear()

    # -- what happens to pods -------------------------------------------------------------------------

    def _on_exit(self, container_id: str, child: Child) -> None:
        pod = self._by_container(container_id)
        if pod is None:
            return
        container = self._containers.pop(pod.uid)
        container.prober.stop()
        if not child.asked_to_end:
            self._note_mishap(pod, child)
        self._become(lifecycle.exited(pod, time.monotonic()), at=child.at, detail=child.how)

    def _note_mishap(self, pod: PodState, child: Child) -> None:
        self._publish(mishaps=self._view.mishaps + 1)
        if pod.ready_since_s is None:
            count = self._crashes[pod.uid] = self._crashes.get(pod.uid, 0) + 1
            if count >= _CRASHES_UNTIL_HOPELESS:
                words = f"{child.how}: {child.last_words()}"
                self._publish(hopeless=f"pod {pod.name} ends before it is ready: {words}")

    def _on_probe(self, container_id: str, passed: bool) -> None:
        pod = self._by_container(container_id)
        if pod is not None:
            self._become(lifecycle.probed(pod, passed, time.monotonic()))

    def _on_route(self, route: Route) -> None:
        changed = changes(self._route, route)
        self._route, self._telling = route, None
        at = self._moment(None)
        for uid, became in changed.items():
            pod = self._pods[uid].seen() if uid in self._pods else self._gone[uid]
            self._notices.put(PodTransition(Transition.ENDPOINTS, pod, at, became))

    def _on_breakage(self, reason: str) -> None:
        self._publish(broken=self._view.broken or reason)

    # -- bookkeeping ------------------------------------------------------------------------------------

    def _become(self, pod: PodState, *, at: Instant | None = None, detail: str = "") -> None:
        before = self._pods[pod.uid]
        self._pods[pod.uid] = pod
        self._emit(before, pod, at=at, detail=detail)

    def _emit(
        self, before: PodState | None, after: PodState | None, *, at: Instant | None = None, detail: str = ""
    ) -> None:
        pod = after or before
        assert pod is not None
        seen = pod.seen()
        for transition in lifecycle.transitions(before, after):
            words = detail if transition is Transition.CONTAINER_EXITED else ""
            self._notices.put(PodTransition(transition, seen, self._moment(at), words))

    def _moment(self, at: Instant | None) -> Instant:
        """When it happened, but never before what was reported already."""
        self._last = max(at or system_clock(), self._last)
        return self._last

    def _publish(self, **changed: object) -> None:
        with self._published:
            self._view = replace(self._view, **changed)  # type: ignore[arg-type]
            self._published.notify_all()

    def _new_revision(self) -> str:
        self._revisions += 1
        return f"{self._revisions:x}{secrets.token_hex(4)}"

    def _running(self) -> Deployment:
        if self._deployment is None:
            raise ClusterError("nothing is deployed")
        return self._deployment

    def _known(self, uid: str) -> PodState:
        if uid not in self._pods:
            raise ClusterError(f"no pod with UID {uid}: it is gone")
        return self._pods[uid]

    def _by_container(self, container_id: str) -> PodState | None:
        return next(
            (pod for pod in self._pods.values() if pod.container_id == container_id and pod.running), None
        )

    @staticmethod
    def _refuse_if_broken(view: View) -> None:
        if view.broken:
            raise ClusterError(view.broken)


def ready_and_routed(view: View, replicas: int, deployment: str) -> bool:
    """Whether so many pods are ready, no others are, and the balancer sends requests to exactly these."""
    ready: Sequence[Pod] = [pod for pod in view.pods if pod.ready]
    route = view.route
    if route is None or route.deployment != deployment:
        return False
    return len(ready) == replicas and {e.uid for e in route.endpoints} == {pod.uid for pod in ready}
