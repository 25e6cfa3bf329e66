"""Owns the pods: takes events one by one, then does what the pure parts say is due.

Everything that happens reaches it through one loop: calls from outside, ended containers,
answered probes, routes taken up by the balancer. Others read the view that it publishes.
"""

from __future__ import annotations

import secrets
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from statefall.clusters.local import lifecycle, replicaset
from statefall.clusters.local.containers import Container, Runtime
from statefall.clusters.local.hindrances import Withheld
from statefall.clusters.local.lifecycle import PodState, PodStep
from statefall.clusters.local.loop import Loop
from statefall.clusters.local.ports import Port, Ports
from statefall.clusters.local.processes import Child
from statefall.clusters.local.replicaset import Wanted
from statefall.clusters.local.routing import Route, changes, endpoints
from statefall.clusters.local.view import Bulletin, LocalView
from statefall.clusters.notices import Notices
from statefall.clusters.protocol import ClusterError, Pod, PodTransition, Transition
from statefall.records.cells import CellSpec
from statefall.records.clock import Instant, system_clock
from statefall.records.terms import Balancer

_Answer = TypeVar("_Answer")
_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Those of Kubernetes' generated names: no vowels, so no words."""
_CRASHES_UNTIL_HOPELESS = 2
"""A container that ends so often before it was ever ready will not be ready soon."""


class RouteSink(Protocol):
    """Where routes go."""

    def want(self, route: Route) -> None:
        """Follow it soon."""


class Controller:
    """Owns the pods of at most one deployment."""

    def __init__(self, runtime: Runtime, ports: Ports, notices: Notices) -> None:
        self._runtime, self._ports, self._notices = runtime, ports, notices
        self._router: RouteSink | None = None
        self._loop = Loop(self._settle, self._next_due_s, self._on_breakage)
        self._bulletin = Bulletin()
        self._deployment: CellSpec | None = None
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
        self.withheld = Withheld()
        """To be changed by commands only."""
        self._before_bad = ""
        """The revision that a bad rollout is to replace, while there is one."""

    # -- from other threads ---------------------------------------------------------------------

    def begin(self, router: RouteSink) -> None:
        """Start to work, with this sink for routes."""
        self._router = router
        self._loop.begin()

    def end(self) -> None:
        """Stop working; what runs goes on."""
        self._loop.end()

    @property
    def view(self) -> LocalView:
        """What is known now."""
        return self._bulletin.view

    def ask(self, command: Callable[[], _Answer]) -> _Answer:
        """Run one of the commands below; what follows from it has been begun when this returns.

        Raises what it raises, and ClusterError when the cluster is broken or closed.
        """
        self.view.refuse_if_broken()
        try:
            return self._loop.ask(command)
        except ClusterError:
            self.view.refuse_if_broken()  # says why the loop has ended, if it has
            raise

    def wait_for(self, reached: Callable[[LocalView], bool], timeout_s: float) -> bool:
        """Wait until the view satisfies it; False when it did not in time. Raises ClusterError if broken."""
        return self._bulletin.wait_for(reached, timeout_s)

    def container_exited(self, container_id: str, child: Child) -> None:
        """To be called when a container's process group is gone."""
        self._loop.post(lambda: self._on_exit(container_id, child))

    def probed(self, container_id: str, passed: bool) -> None:
        """To be called with every answer of a readiness probe."""
        self._loop.post(lambda: self._on_probe(container_id, passed))

    def routed(self, route: Route) -> None:
        """To be called when the balancer follows this route."""
        self._loop.post(lambda: self._on_route(route))

    def broke(self, reason: str) -> None:
        """To be called when a part that all deployments need has failed."""
        self._loop.post(lambda: self._on_breakage(reason))

    # -- commands, to be given to `ask` -------------------------------------------------------------

    def deploy(self, deployment: CellSpec) -> None:
        """Begin to run it."""
        if self._deployment is not None:
            raise ClusterError(f"{self._deployment.name} is still deployed")
        self._deployment = deployment
        self._crashes.clear()
        self._bulletin.publish(hopeless="")
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

    def process(self, uid: str) -> Child | None:
        """The first process of this pod's container; None where there is none, or no such pod."""
        container = self._containers.get(uid)
        return container.child if container else None

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

    def roll(self, *, badly: bool = False) -> None:
        """Begin to replace all pods by those of a new revision, which never get ready if it goes badly."""
        self._running()
        assert self._wanted is not None
        revision = self._new_revision()
        if badly:
            self.withheld.add_revision(revision)
            self._before_bad = self._before_bad or self._wanted.revision
        self._wanted = replace(self._wanted, revision=revision)

    def undo_bad_roll(self) -> None:
        """Begin to go back to the revision before; a no-op where none was rolled badly."""
        if self._before_bad and self._wanted is not None:
            self._wanted = replace(self._wanted, revision=self._before_bad)
        self._before_bad = ""

    # -- after every event ------------------------------------------------------------------------------

    def _next_due_s(self) -> float | None:
        times = [at for pod in self._pods.values() if (at := lifecycle.next_due(pod)) is not None]
        return min(times, default=None)

    def _settle(self) -> None:
        """Do all that is due, tell the balancer, publish."""
        while self._do_what_is_due() or self._reconcile_replicas():
            pass
        self._tell_balancer()
        self._bulletin.publish(pods=self._seen(), route=self._route)

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

    def _do(self, pod: PodState, step: PodStep) -> None:
        if step is PodStep.START:
            self._start(pod)
        elif step is PodStep.TERM:
            self._containers[pod.uid].send(signal.SIGTERM)
            self._become(lifecycle.told_to_stop(pod))
        elif step is PodStep.KILL:
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
        self._bulletin.publish(mishaps=self.view.mishaps + 1)
        if pod.ready_since_s is None:
            count = self._crashes[pod.uid] = self._crashes.get(pod.uid, 0) + 1
            if count >= _CRASHES_UNTIL_HOPELESS:
                message = f"{child.how}: {child.last_output()}"
                self._bulletin.publish(hopeless=f"pod {pod.name} ends before it is ready: {message}")

    def _on_probe(self, container_id: str, passed: bool) -> None:
        pod = self._by_container(container_id)
        if pod is not None:
            passed = passed and not self.withheld.keeps(pod)
            self._become(lifecycle.probed(pod, passed, time.monotonic()))

    def _on_route(self, route: Route) -> None:
        changed = changes(self._route, route)
        self._route, self._telling = route, None
        at = self._moment(None)
        for uid, became in changed.items():
            pod = self._pods[uid].seen() if uid in self._pods else self._gone[uid]
            self._notices.put(PodTransition(Transition.ENDPOINTS, pod, at, became))

    def _on_breakage(self, reason: str) -> None:
        self._bulletin.publish(broken=self.view.broken or reason)

    # -- bookkeeping ------------------------------------------------------------------------------------

    def _become(self, pod: PodState, *, at: Instant | None = None, detail: str = "") -> None:
        before = self._pods[pod.uid]
        self._pods[pod.uid] = pod
        # Before anybody hears of it: what follows, for example a new process, takes a while.
        self._bulletin.publish(pods=self._seen())
        self._emit(before, pod, at=at, detail=detail)

    def _emit(
        self, before: PodState | None, after: PodState | None, *, at: Instant | None = None, detail: str = ""
    ) -> None:
        pod = after or before
        assert pod is not None
        seen = pod.seen()
        for transition in lifecycle.transitions(before, after):
            message = detail if transition is Transition.CONTAINER_EXITED else ""
            self._notices.put(PodTransition(transition, seen, self._moment(at), message))

    def _seen(self) -> tuple[Pod, ...]:
        return tuple(pod.seen() for pod in self._pods.values())

    def _moment(self, at: Instant | None) -> Instant:
        """When it happened, but never before what was reported already."""
        self._last = max(at or system_clock(), self._last)
        return self._last

    def _new_revision(self) -> str:
        self._revisions += 1
        return f"{self._revisions:x}{secrets.token_hex(4)}"

    def _running(self) -> CellSpec:
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
