"""Small hand-made timelines, for tests that need one particular history."""

from __future__ import annotations

from typing import Any

from statefall.records.clock import Instant
from statefall.records.events import (
    CellEvent,
    FaultActed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    Home,
    PhaseStarted,
    PodChanged,
    PodScraped,
    Replica,
    ServiceTimes,
    SessionLost,
    SessionsMarked,
    Tick,
    Victim,
)
from statefall.records.terms import Balancer, Service, StateDesign
from statefall.records.verdicts import Verdict
from statefall.results.reading import read_timeline
from statefall.results.run_head import CellPlan
from statefall.results.timeline import CellTimeline

CELL = "c1"


class Story:
    """Events of one cell; times are seconds since the start of its load, which is second 100."""

    def __init__(self) -> None:
        self.events: list[CellEvent] = []
        self.add(PhaseStarted, 0.0, phase="warmup")

    def add(self, kind: type[CellEvent], at_s: float, **fields: Any) -> Story:
        """Any event."""
        self.events.append(kind(at=Instant(100.0 + at_s, 1e9 + at_s), cell=CELL, **fields))
        return self

    def pod(self, name: str, transition: str, at_s: float, **fields: Any) -> Story:
        """A transition of a pod."""
        seen = {"address": "", "container_id": "", "restart_count": 0, "ready": False, "terminating": False}
        known = {"uid": f"u-{name}", **seen, **fields}
        return self.add(PodChanged, at_s, pod=name, transition=transition, **known)

    def pods(self, *names: str) -> Story:
        """Pods that start and are ready before the load begins, with the boot `<name>1`."""
        for name in names:
            self.pod(name, "created", -5.0).pod(name, "container_started", -4.9, container_id=f"{name}-0")
            self.pod(name, "ready", -4.0)
            self.figures(name, f"{name}1", 1.0)
        return self

    def figures(
        self, pod: str, boot: str, at_s: float, *, active: int = 0, lost: int = 0, **more: Any
    ) -> Story:
        """A scrape."""
        return self.add(
            PodScraped,
            at_s,
            pod=pod,
            boot=boot,
            sessions_active=active,
            sessions_created=active,
            sessions_lost={"elsewhere": lost} if lost else {},
            **more,
        )

    def fault(
        self,
        kind: str,
        *victims: str,
        act_s: float = 10.0,
        observed_s: float | None = 10.5,
        recovered_s: float | None = 12.0,
        fault: str = "f1",
        count: int | None = None,
        told: bool = True,
    ) -> Story:
        """A fault from intent to recovery; `told` is false when the cluster picks the victims."""
        hit = tuple(Victim(name, f"u-{name}", f"{name}-0") for name in victims)
        self.add(
            FaultIntended,
            act_s - 0.01,
            fault=fault,
            fault_kind=kind,
            victims=hit if told else (),
            planned_at_s=0.0,
            count=len(hit) if count is None else count,
        )
        self.add(FaultActed, act_s, fault=fault)
        if observed_s is not None:
            self.add(FaultObserved, observed_s, fault=fault, effect="seen", victims=hit)
        if recovered_s is not None:
            self.add(FaultRecovered, recovered_s, fault=fault, ready_replicas=3)
        return self

    def mark(self, live: int, at_s: float = 9.99, **by_boot: int) -> Story:
        """The ledger at a fault."""
        return self.add(SessionsMarked, at_s, fault="f1", live_sessions=live, by_boot=by_boot)

    def loss(
        self,
        home: str,
        boot: str,
        at_s: float,
        *answered_by: tuple[str, str],
        session: str = "1.1",
        verdict: Verdict = Verdict.LOST,
        evidence: str = "answered 401 session_lost, 2 times",
        since_s: float = 1.0,
        phase: str = "fault",
        idle_s: float | None = None,
    ) -> Story:
        """A finding of the ledger."""
        return self.add(
            SessionLost,
            at_s,
            session=session,
            shopper=1,
            user_id=1,
            verdict=verdict,
            evidence=evidence,
            phase=phase,
            home=Home(home, boot, 100.0 + since_s),
            answered_by=tuple(Replica(pod, name) for pod, name in answered_by),
            acknowledged_version=3,
            seen_version=None,
            idle_s=idle_s,
        )

    def tick(self, at_s: float, *, failed: int = 0, completed: int = 50) -> Story:
        """One second of the load."""
        return self.add(
            Tick,
            at_s,
            phase="fault",
            interval_s=1.0,
            scheduled=completed + failed,
            completed=completed,
            failed=failed,
            dropped=0,
            in_flight=0,
            live_sessions=10,
            lost_so_far=0,
            logins=0,
            service_ms=ServiceTimes(1.0, 2.0, 3.0, 4.0) if completed else ServiceTimes(),
        )

    def timeline(self) -> CellTimeline:
        """The story as read."""
        return read_timeline(CELL, self.events)


def plan(
    state: StateDesign = StateDesign.MEMORY, balancer: Balancer = Balancer.STICKY, **more: Any
) -> CellPlan:
    """A cell of three replicas."""
    service = Service.STATELESS if state is StateDesign.CLIENT else Service.STATEFUL
    fields: dict[str, Any] = {"replicas": 3, "after_fault_s": 13.0} | more
    return CellPlan(name=CELL, service=service, state=state, balancer=balancer, **fields)
