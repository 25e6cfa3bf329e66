"""A cluster in memory: pods that start, end and are replaced after fixed delays of virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from statefall.clusters.protocol import (
    ClusterError,
    EvictionRefused,
    Listener,
    Pod,
    PodTransition,
    Transition,
)
from statefall.records.cells import CellSpec
from statefall.records.load import LoadConfig
from tests.fakes.clock import VirtualClock
from tests.fakes.script import Script

EXIT_S = 0.1
"""From SIGKILL to the container's end."""
RESTART_S = 1.0
READY_S = 2.0
"""From a container's start to its readiness."""
UNREADY_S = 1.5
"""From the first failed probe to a pod that is not ready."""
RETRY_S = 5.0
"""How long a refused eviction is told to wait."""


@dataclass(slots=True)
class FakeCluster:
    """A cluster in memory. Pods are named pod-1, pod-2, ... and laid on the nodes in turn."""

    clock: VirtualClock
    script: Script = field(default_factory=Script)
    nodes: tuple[str, ...] = ("node-a", "node-b")
    needed: frozenset[str] = frozenset()
    """Nodes that cannot be drained."""
    kind: str = "fake"
    kills_nothing: bool = False
    never_ready: bool = False
    """New containers never pass their probe."""
    shutdown_s: float = 0.5
    """From a graceful deletion to the container's end."""
    refusals: int = 0
    """So many evictions are refused before one is allowed."""
    mute: set[str] = field(default_factory=set)
    """Names of the pods whose metrics cannot be had."""
    nonsense: set[str] = field(default_factory=set)
    """Names of the pods whose metrics are another text."""
    stalled: tuple[float, float] = (0.0, 0.0)
    """From when to when, on the clock, metrics are not answered; who asks then waits for the end."""
    end_of_load: str = ""
    store: str = "up"
    cordoned: set[str] = field(default_factory=set)
    deployment: CellSpec | None = None
    deployed: list[CellSpec] = field(default_factory=list)
    load_configs: list[LoadConfig] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    _pods: dict[str, Pod] = field(default_factory=dict)
    _wanted: int = 0
    _revision: int = 1
    _made: int = 0
    _bad: str = ""
    """The revision whose pods never get ready."""

    # -- the whole --------------------------------------------------------------------------------

    def open(self) -> None:
        self.script.call("open")

    def close(self) -> None:
        self.script.call("close")

    def fingerprint(self) -> Mapping[str, str]:
        return {"cluster": "fake 1.0"}

    def deploy(self, deployment: CellSpec, *, timeout_s: float = 60.0) -> None:
        self.script.call("deploy", deployment.name)
        if self.deployment is not None:
            raise ClusterError(f"{self.deployment.name} is still deployed")
        self.deployment, self._wanted = deployment, deployment.replicas
        self.deployed.append(deployment)
        self._reconcile()
        self.clock.sleep(timeout_s if self.never_ready else READY_S)
        if self.never_ready:
            raise ClusterError(f"no pod was ready within {timeout_s:g} s")

    def withdraw(self) -> None:
        self.script.call("withdraw")
        self.deployment, self._wanted = None, 0
        for pod in tuple(self._pods.values()):
            self._gone(pod.uid)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def start_load(self, config: LoadConfig) -> str:
        self.script.call("start_load")
        self.load_configs.append(config)
        return "http://load.test"

    def load_end(self) -> str:
        return self.end_of_load

    def stop_load(self) -> None:
        self.script.call("stop_load")

    # -- pods ---------------------------------------------------------------------------------------

    def pods(self) -> tuple[Pod, ...]:
        return tuple(self._pods.values())

    def metrics(self, pod: Pod) -> str:
        self.script.call("metrics", pod.name)
        self.clock.wait_out(self.stalled)
        if pod.name in self.mute:
            raise ClusterError(f"pod {pod.name} does not answer")
        if pod.name in self.nonsense:
            return "statefall_sessions_active many\n"
        return f'statefall_replica_info{{boot="{pod.container_id}"}} 1\nstatefall_sessions_active 4\n'

    def kill(self, pod: Pod) -> None:
        self.script.call("kill", pod.name)
        if not self.kills_nothing:
            self.clock.after(EXIT_S, lambda: self._exited(pod.uid, "signal 9", restart=True))

    def pause(self, pod: Pod) -> None:
        self.script.call("pause", pod.name)

    def resume(self, pod: Pod) -> None:
        self.script.call("resume", pod.name)

    def kill_worker(self, pod: Pod) -> None:
        self.script.call("kill_worker", pod.name)

    def slow(self, pod: Pod) -> None:
        self.script.call("slow", pod.name)

    def end_slowness(self, pod: Pod) -> None:
        self.script.call("end_slowness", pod.name)

    def slow_store(self) -> None:
        self.script.call("slow_store")
        self.store = "slow"

    def end_slowness_of_store(self) -> None:
        self.script.call("end_slowness_of_store")
        self.store = "up"

    def flush_store(self) -> None:
        self.script.call("flush_store")

    def withhold_readiness(self, pod: Pod) -> None:
        self.script.call("withhold_readiness", pod.name)
        self.clock.after(UNREADY_S, lambda: self._probed(pod.uid, passed=False))

    def give_readiness_back(self, pod: Pod) -> None:
        self.script.call("give_readiness_back", pod.name)
        self.clock.after(RESTART_S, lambda: self._probed(pod.uid, passed=True))

    def roll_badly(self) -> None:
        self.script.call("roll_badly")
        self._bad = str(self._revision + 1)
        self._revision += 1
        self._reconcile()

    def undo_bad_roll(self) -> None:
        self.script.call("undo_bad_roll")
        self._revision -= 1
        for pod in self.pods():
            if pod.revision == self._bad:
                self._delete(pod.uid, None)
        self._bad = ""

    def restart_balancer(self) -> None:
        self.script.call("restart_balancer")

    def reload_balancer(self) -> None:
        self.script.call("reload_balancer")

    def delete(self, pod: Pod, *, grace_s: float | None = None) -> None:
        self.script.call("delete", f"{pod.name} grace={grace_s}")
        self._delete(pod.uid, grace_s)

    def evict(self, pod: Pod) -> None:
        self.script.call("evict", pod.name)
        if self.refusals:
            self.refusals -= 1
            raise EvictionRefused(f"the budget keeps {pod.name}", RETRY_S)
        self._delete(pod.uid, None)

    def drainable(self) -> tuple[str, ...]:
        return tuple(sorted({pod.node for pod in self.pods()} - self.needed))

    def cordon(self, node: str) -> tuple[Pod, ...]:
        self.script.call("cordon", node)
        self.cordoned.add(node)
        return tuple(pod for pod in self.pods() if pod.node == node and not pod.terminating)

    def uncordon(self, node: str) -> None:
        self.script.call("uncordon", node)
        self.cordoned.discard(node)

    def scale(self, replicas: int) -> tuple[Pod, ...]:
        self.script.call("scale", str(replicas))
        self._wanted = replicas
        return self._reconcile()

    def roll(self) -> None:
        self.script.call("roll")
        self._revision += 1
        self._reconcile()

    def undo(self) -> None:
        self.script.call("undo")
        self._revision -= 1
        self._reconcile()

    # -- the store ------------------------------------------------------------------------------------

    def stop_store(self) -> None:
        self.script.call("stop_store")
        self.store = "down"

    def pause_store(self, duration_s: float) -> None:
        self.script.call("pause_store", f"{duration_s:g}")
        self.store = "paused"
        self.clock.after(duration_s, self._store_goes_on)

    def start_store(self) -> None:
        self.script.call("start_store")
        self.store = "up"

    def _store_goes_on(self) -> None:
        if self.store == "paused":
            self.store = "up"

    # -- what pods do of themselves ---------------------------------------------------------------------

    def _reconcile(self) -> tuple[Pod, ...]:
        """As a Deployment does: one pod of surge while some are old, none unavailable. Returns who goes."""
        living = [pod for pod in self.pods() if not pod.terminating]
        old = [pod for pod in living if pod.revision != str(self._revision)]
        for _ in range(self._wanted + bool(old) - len(living)):
            self._create()
        surplus = max(sum(pod.ready for pod in living) - self._wanted, 0)
        going = tuple(old[:surplus] or reversed(living[len(living) - surplus :]))
        for pod in going:
            self._delete(pod.uid, None)
        return tuple(self._pods[pod.uid] for pod in going)

    def _create(self) -> None:
        self._made += 1
        number = self._made
        free = [node for node in self.nodes if node not in self.cordoned]
        pod = Pod(
            name=f"pod-{number}",
            uid=f"uid-{number}",
            address=f"10.0.0.{number}:8080",
            container_id=f"container-{number}.0",
            restart_count=0,
            ready=False,
            serving=False,
            terminating=False,
            revision=str(self._revision),
            node=free[(number - 1) % len(free)],
        )
        self._become(pod, Transition.CREATED, Transition.CONTAINER_STARTED)
        self._ready_later(pod)

    def _ready_later(self, pod: Pod) -> None:
        def pass_probe() -> None:
            now = self._pods.get(pod.uid)
            if now and not now.terminating and now.container_id == pod.container_id:
                self._become(replace(now, ready=True, serving=True), Transition.READY)
                self._reconcile()

        if not self.never_ready and pod.revision != self._bad:
            self.clock.after(READY_S, pass_probe)

    def _probed(self, uid: str, *, passed: bool) -> None:
        pod = self._pods.get(uid)
        if pod is not None and not pod.terminating:
            seen = Transition.READY if passed else Transition.UNREADY
            self._become(replace(pod, ready=passed, serving=passed), seen)

    def _exited(self, uid: str, how: str, *, restart: bool) -> None:
        pod = self._pods.get(uid)
        if pod is None:
            return
        pod = replace(pod, ready=False, serving=False)
        self._become(pod, Transition.CONTAINER_EXITED, detail=how)
        if restart and not pod.terminating:
            self.clock.after(RESTART_S, lambda: self._restart(uid))

    def _restart(self, uid: str) -> None:
        pod = self._pods.get(uid)
        if pod is None or pod.terminating:
            return
        restarts = pod.restart_count + 1
        container = f"{pod.container_id.rpartition('.')[0]}.{restarts}"
        pod = replace(pod, restart_count=restarts, container_id=container)
        self._become(pod, Transition.CONTAINER_STARTED)
        self._ready_later(pod)

    def _delete(self, uid: str, grace_s: float | None) -> None:
        pod = self._pods.get(uid)
        if pod is None:
            raise ClusterError(f"no pod with UID {uid}: it is gone")
        if pod.terminating:
            return
        self._become(replace(pod, ready=False, terminating=True), Transition.TERMINATING)

        def end() -> None:
            self._exited(uid, "signal 9" if grace_s == 0 else "exit 0", restart=False)
            self._gone(uid)

        self.clock.after(EXIT_S if grace_s == 0 else self.shutdown_s, end)
        self._reconcile()

    def _gone(self, uid: str) -> None:
        if uid in self._pods:
            self._emit(Transition.GONE, self._pods.pop(uid))

    def _become(self, pod: Pod, *transitions: Transition, detail: str = "") -> None:
        self._pods[pod.uid] = pod
        for transition in transitions:
            self._emit(transition, pod, detail)

    def _emit(self, transition: Transition, pod: Pod, detail: str = "") -> None:
        for listener in tuple(self.listeners):
            listener(PodTransition(transition, pod, self.clock(), detail))
