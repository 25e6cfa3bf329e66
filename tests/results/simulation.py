"""Recorded runs without processes: a small simulation that emits the events a real run emits.

Sessions really live in the memories of simulated replicas (or with the client), a balancer really
picks a replica for each request, and a fault really empties a memory; so the ledger's findings and
the replicas' own counts follow from what happened, not from what a test expects.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram as _HdrHistogram

from statefall.records.clock import Instant
from statefall.records.events import (
    CellEnded,
    CellEvent,
    CellStarted,
    Event,
    FaultActed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    Home,
    PhaseStarted,
    PodChanged,
    PodScraped,
    RunEnded,
    RunStarted,
    ServiceTimes,
    SessionLost,
    SessionsMarked,
    SessionStarted,
    Tick,
    Victim,
)
from statefall.records.events import Replica as Answerer
from statefall.records.terms import Balancer, Service, StateDesign
from statefall.records.verdicts import LoadResult, RequestCounts, SessionRecord, Verdict
from statefall.results.model import GateName
from statefall.results.record import RunRecorder
from statefall.results.run_head import CellPlan, GateRule, RunHead

HdrHistogram: Any = _HdrHistogram
WALL_S = 1_780_000_000.0
STARTED_AT = "2026-05-28T20:26:40+00:00"
PHASES = (("warmup", 8.0), ("baseline", 5.0), ("fault", 5.0), ("recovery", 8.0))
FAULT_AT_S = 13.0
AUDIT_AT_S = 26.0
END_S = 27.0
QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclass(slots=True)
class Replica:
    """A pod and the process in it."""

    name: str
    boot: str
    alive: bool = True
    routed: bool = True
    restarts: int = 0
    memory: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    created: int = 0
    operations: int = 0


@dataclass(slots=True)
class Session:
    """What the ledger knows of a session."""

    name: str
    user_id: int
    started_s: float
    home: Replica
    boot: str
    since_s: float
    version: int = 0
    ended_s: float | None = None
    live_at_mark: bool = False
    home_at_mark: tuple[str, str] | None = None


@dataclass(slots=True)
class Cell:
    """Simulates one cell. `kill` is how many replicas get SIGKILL at the fault (0: none)."""

    plan: CellPlan
    seed: int = 1
    shoppers: int = 99
    kill: int = 1
    begin_s: float = 100.0
    restart_s: float = 1.8
    forget: float = 0.0
    """The share of the sessions that the service forgets at the fault, wherever they live."""
    events: list[CellEvent] = field(default_factory=list)
    _queue: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _order: Any = field(default_factory=count)
    _replicas: list[Replica] = field(default_factory=list)
    _sessions: list[Session] = field(default_factory=list)
    _logins: Counter[int] = field(default_factory=Counter)
    _turn: int = 0
    _phase: str = "warmup"
    _phases: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _tick: Counter[str] = field(default_factory=Counter)
    _times: list[float] = field(default_factory=list)
    _histograms: dict[str, Any] = field(default_factory=dict)
    _told: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _lost: int = 0
    _forgotten: set[str] = field(default_factory=set)
    _random: random.Random = field(init=False)

    def run(self) -> LoadResult:
        """Fill `events` and return what the load would hand back."""
        self._random = random.Random(f"{self.seed}/{self.plan.name}")
        plan = self.plan
        self._event(
            CellStarted,
            -4.0,
            service=plan.service,
            state=plan.state.value,
            balancer=plan.balancer.value,
            replicas=plan.replicas,
            repeat=plan.repeat,
        )
        for _ in range(plan.replicas):
            self._start_pod(-3.0)
        at_s = 0.0
        for name, length_s in (*PHASES, ("audit", 1.0)):
            self._at(at_s, partial(self._enter, name))
            at_s += length_s
        for shopper in range(self.shoppers):
            arrival = self._random.uniform(0.0, 5.0)
            self._at(arrival, partial(self._arrive, shopper))
        for second in range(1, int(END_S) + 1):
            self._at(second, self._emit_tick)
            self._at(second - 0.35, self._scrape)
        if self.kill:
            self._at(FAULT_AT_S, self._fault)
        else:
            self._at(FAULT_AT_S, lambda t: self._mark("none", t))
        while self._queue:
            moment, _, act = heapq.heappop(self._queue)
            act(moment)
        self._scrape(END_S + 0.1)
        for replica in self._replicas:
            self._pod("container_exited", replica, END_S + 0.3, detail="signal 9")
        self._event(CellEnded, END_S + 0.4)
        return self._result()

    # -- pods and faults --------------------------------------------------------------------------

    def _start_pod(self, at_s: float) -> None:
        name = f"{self.plan.name}-{self._random.getrandbits(20):05x}"
        replica = Replica(name, self._boot())
        self._replicas.append(replica)
        for offset, transition in ((0.0, "created"), (0.05, "container_started"), (1.2, "ready")):
            self._pod(transition, replica, at_s + offset)
        self._pod("endpoints", replica, at_s + 1.4)

    def _fault(self, at_s: float) -> None:
        victims = self._random.sample(self._replicas, self.kill)
        named = tuple(self._named(replica) for replica in victims)
        self._event(
            FaultIntended,
            at_s,
            fault="f1",
            fault_kind="kill",
            victims=named,
            planned_at_s=0.0,
            count=len(victims),
        )
        for replica in victims:
            self._metrics(replica, at_s + 0.001)
        self._mark("f1", at_s + 0.002)
        self._event(FaultActed, at_s + 0.003, fault="f1")
        for replica in victims:
            replica.alive = False
            self._pod("container_exited", replica, at_s + 0.02, detail="signal 9")
            self._at(at_s + 0.6, partial(self._unroute, replica))
            self._at(at_s + self.restart_s, partial(self._restart, replica))
        self._event(
            FaultObserved,
            at_s + 0.02,
            fault="f1",
            effect=f"container exited: {', '.join(f'{r.name} (signal 9)' for r in victims)}",
            victims=named,
        )
        self._event(FaultRecovered, at_s + self.restart_s, fault="f1", ready_replicas=self.plan.replicas)

    def _unroute(self, replica: Replica, at_s: float) -> None:
        replica.routed = False
        self._pod("unready", replica, at_s)
        self._pod("endpoints", replica, at_s)

    def _restart(self, replica: Replica, at_s: float) -> None:
        replica.boot, replica.alive, replica.routed = self._boot(), True, True
        replica.restarts += 1
        replica.memory, replica.lost, replica.created, replica.operations = set(), set(), 0, 0
        self._pod("container_started", replica, at_s - 1.0)
        self._pod("ready", replica, at_s)

    def _mark(self, fault: str, at_s: float) -> None:
        live = [session for session in self._sessions if session.ended_s is None]
        self._forgotten = {s.name for s in live if self.forget and self._random.random() < self.forget}
        for session in live:
            session.live_at_mark = True
            session.home_at_mark = (session.home.name, session.boot)
        homes = Counter(f"{session.home.name}/{session.boot}" for session in live)
        self._event(
            SessionsMarked, at_s, fault=fault, live_sessions=len(live), by_boot=dict(sorted(homes.items()))
        )

    # -- shoppers ---------------------------------------------------------------------------------

    def _arrive(self, shopper: int, at_s: float) -> None:
        if at_s >= AUDIT_AT_S:
            return
        replica = self._request(None, at_s)
        if replica is None:
            self._at(at_s + self._think(), lambda t: self._arrive(shopper, t))
            return
        self._logins[shopper] += 1
        session = Session(
            f"{shopper}.{self._logins[shopper]}", 1000 + shopper, at_s, replica, replica.boot, at_s
        )
        self._sessions.append(session)
        replica.created += 1
        if self.plan.state is not StateDesign.CLIENT:
            replica.memory.add(session.name)
        self._event(
            SessionStarted,
            at_s,
            session=session.name,
            shopper=shopper,
            user_id=session.user_id,
            pod=replica.name,
            boot=replica.boot,
        )
        self._at(self._next(at_s), lambda t: self._use_session(shopper, session, t))

    def _use_session(self, shopper: int, session: Session, at_s: float) -> None:
        """One read or write, with reloads while the session is unknown."""
        unknown: list[Replica] = []
        for reload in range(self.plan.max_reloads + 1):
            moment = at_s + 0.05 * reload
            replica = self._request(session, moment)
            if replica is None:
                break
            if self._knows(replica, session):
                self._answered(session, replica, unknown, moment)
                break
            replica.lost.add(session.name)
            self._told[f"{replica.name}/{replica.boot}"].add(session.name)
            unknown.append(replica)
        else:
            self._lose(session, unknown, at_s + 0.05 * self.plan.max_reloads)
            self._at(at_s + self._think(), lambda t: self._arrive(shopper, t))
            return
        if at_s < AUDIT_AT_S:
            self._at(self._next(at_s), lambda t: self._use_session(shopper, session, t))

    def _answered(self, session: Session, replica: Replica, unknown: list[Replica], at_s: float) -> None:
        session.version += self._random.random() < 0.3
        if unknown:
            self._find(Verdict.MISROUTED, "unknown, then intact", session, [*unknown, replica], at_s)
        if (session.home, session.boot) != (replica, replica.boot):
            session.home, session.boot, session.since_s = replica, replica.boot, at_s

    def _knows(self, replica: Replica, session: Session) -> bool:
        if session.name in self._forgotten:
            return False
        return self.plan.state is StateDesign.CLIENT or session.name in replica.memory

    def _lose(self, session: Session, answered_by: list[Replica], at_s: float) -> None:
        session.ended_s = at_s
        self._lost += 1
        self._find(Verdict.LOST, "answered 401 session_lost, 2 times", session, answered_by, at_s)

    def _find(
        self, verdict: Verdict, evidence: str, session: Session, answered_by: Iterable[Replica], at_s: float
    ) -> None:
        self._event(
            SessionLost,
            at_s,
            session=session.name,
            shopper=int(session.name.split(".")[0]),
            user_id=session.user_id,
            verdict=verdict,
            evidence=evidence,
            phase=phase_at(at_s),
            home=Home(session.home.name, session.boot, session.since_s + self.begin_s),
            answered_by=tuple(Answerer(replica.name, replica.boot) for replica in answered_by),
            acknowledged_version=session.version,
            seen_version=None,
        )

    def _request(self, session: Session | None, at_s: float) -> Replica | None:
        """Balance one request; returns the replica that answered, or None for a failed request."""
        replica = self._pick(session)
        counts = self._phases[self._phase]
        answered = replica is not None and replica.alive
        for each in (counts, self._tick):
            each["scheduled"] += 1
            each["completed" if answered else "failed"] += 1
        if replica is None or not replica.alive:
            return None
        replica.operations += 1
        slow = 4.0 if at_s - FAULT_AT_S < 2.0 and at_s > FAULT_AT_S else 1.0
        time_ms = self._random.lognormvariate(1.6, 0.5) * slow
        self._times.append(time_ms)
        histogram = self._histograms.setdefault(self._phase, HdrHistogram(1, 60_000_000, 3))
        histogram.record_value(round(time_ms * 1000))
        return replica

    def _pick(self, session: Session | None) -> Replica | None:
        """A replica that the balancer knows; None (it refuses) when it knows none."""
        if session is not None and self.plan.balancer is Balancer.STICKY and session.home.routed:
            return session.home
        routed = [replica for replica in self._replicas if replica.routed]
        if not routed:
            return None
        self._turn += 1
        if self.plan.balancer is Balancer.PLAIN:  # several clients share the turn, so it looks drawn
            return self._random.choice(routed)
        return routed[self._turn % len(routed)]

    def _next(self, at_s: float) -> float:
        """When the shopper comes again: after a think time, or in the audit at the latest."""
        return min(at_s + self._think(), AUDIT_AT_S + self._random.uniform(0.0, 0.6))

    def _think(self) -> float:
        return min(self._random.expovariate(1.0 / self.plan.think_time_s), 10.0)

    # -- records ----------------------------------------------------------------------------------

    def _enter(self, phase: str, at_s: float) -> None:
        self._phase = phase
        self._event(PhaseStarted, at_s, phase=phase)

    def _emit_tick(self, at_s: float) -> None:
        times = sorted(self._times)
        at = [round(times[min(int(len(times) * q), len(times) - 1)], 3) for q in QUANTILES] if times else []
        self._event(
            Tick,
            at_s,
            phase=self._phase,
            interval_s=1.0,
            scheduled=self._tick["scheduled"],
            completed=self._tick["completed"],
            failed=self._tick["failed"],
            dropped=0,
            in_flight=0,
            live_sessions=sum(session.ended_s is None for session in self._sessions),
            lost_so_far=self._lost,
            logins=0,
            service_ms=ServiceTimes(*at),
        )
        self._tick.clear()
        self._times.clear()

    def _scrape(self, at_s: float) -> None:
        for replica in self._replicas:
            if replica.alive:
                self._metrics(replica, at_s)

    def _metrics(self, replica: Replica, at_s: float) -> None:
        lost = {"elsewhere": len(replica.lost)} if replica.lost else {}
        self._event(
            PodScraped,
            at_s,
            pod=replica.name,
            boot=replica.boot,
            sessions_active=len(replica.memory),
            sessions_created=replica.created,
            sessions_lost=lost,
            operations=replica.operations,
            operations_repeated=0,
        )

    def _pod(self, transition: str, replica: Replica, at_s: float, detail: str = "") -> None:
        self._event(
            PodChanged,
            at_s,
            transition=transition,
            pod=replica.name,
            uid=f"uid-{replica.name}",
            container_id=f"{replica.name}-{replica.restarts}",
            address="127.0.0.1:21000",
            restart_count=replica.restarts,
            ready=replica.routed,
            terminating=False,
            detail=detail,
        )

    def _named(self, replica: Replica) -> Victim:
        return Victim(replica.name, f"uid-{replica.name}", f"{replica.name}-{replica.restarts}")

    def _boot(self) -> str:
        return f"{self._random.getrandbits(64):016x}"

    def _event(self, kind: type[CellEvent], at_s: float, **fields: Any) -> None:
        moment_s = round(self.begin_s + at_s, 6)
        at = Instant(moment_s, round(WALL_S + moment_s, 6))
        self.events.append(kind(at=at, cell=self.plan.name, **fields))

    def _at(self, at_s: float, act: Callable[[float], None]) -> None:
        if at_s < END_S or act in (self._emit_tick,):
            heapq.heappush(self._queue, (at_s, next(self._order), act))

    def _result(self) -> LoadResult:
        by_phase = {
            phase: RequestCounts(scheduled=c["scheduled"], completed=c["completed"], failed=c["failed"])
            for phase, c in self._phases.items()
        }
        whole = sum((Counter(c) for c in self._phases.values()), Counter())
        return LoadResult(
            requests=RequestCounts(
                scheduled=whole["scheduled"], completed=whole["completed"], failed=whole["failed"]
            ),
            requests_by_phase=by_phase,
            operations=whole["scheduled"],
            sessions=tuple(self._record(session) for session in self._sessions),
            told_lost={who: {"session_lost": len(sessions)} for who, sessions in self._told.items()},
            histograms={phase: h.encode().decode() for phase, h in self._histograms.items()},
            generator_faults=(),
        )

    def _record(self, session: Session) -> SessionRecord:
        pod, boot = session.home_at_mark or (session.home.name, session.boot)
        return SessionRecord(
            session=session.name,
            user_id=session.user_id,
            started_monotonic_s=self.begin_s + session.started_s,
            ended_monotonic_s=None if session.ended_s is None else self.begin_s + session.ended_s,
            pod=pod,
            boot=boot,
            live_at_mark=session.live_at_mark,
            verdict=Verdict.KEPT if session.ended_s is None else Verdict.LOST,
            acknowledged_version=session.version,
        )


def phase_at(at_s: float) -> str:
    """The phase of a moment of the load."""
    ends_s = 0.0
    for name, length_s in PHASES:
        ends_s += length_s
        if at_s < ends_s:
            return name
    return "audit"


def cell_plan(name: str, service: Service, balancer: Balancer, **more: Any) -> CellPlan:
    """A cell of the default experiment with its gates."""
    stateless = service is Service.STATELESS
    gates = [GateRule(GateName.NO_UNEXPLAINED_LOSS), GateRule(GateName.BOOKS_BALANCE)]
    if stateless:
        gates.append(GateRule(GateName.LOST_AT_MOST, 0.0))
    elif balancer is Balancer.STICKY:
        gates += [
            GateRule(GateName.LIVE_AT_FAULT_AT_LEAST, 90.0),
            GateRule(GateName.LOST_WITHIN_PREDICTION),
            GateRule(GateName.VICTIM_HELD_EQUALS_LOST),
        ]
    else:
        gates.append(GateRule(GateName.LOST_BEFORE_FAULT_AT_LEAST_SHARE, 0.5))
    fields = {
        "state": StateDesign.CLIENT if stateless else StateDesign.MEMORY,
        "replicas": 3,
        "faults": ("kill",),
        "after_fault_s": 13.0,
        "gates": tuple(gates),
    } | more
    return CellPlan(name=name, service=service, balancer=balancer, **fields)


def default_plan(run: str = "20260528T202640Z-default-0a1b2c") -> RunHead:
    """The default experiment: both twins, plain and sticky, one SIGKILL."""
    cells = (
        cell_plan("c1-stateful-memory-sticky", Service.STATEFUL, Balancer.STICKY),
        cell_plan("c2-stateless-plain", Service.STATELESS, Balancer.PLAIN),
        cell_plan("c3-stateful-memory-plain", Service.STATEFUL, Balancer.PLAIN),
        cell_plan("c4-stateless-sticky", Service.STATELESS, Balancer.STICKY),
    )
    return RunHead(
        run=run,
        experiment="default",
        seed=1,
        cluster="local",
        started_at=STARTED_AT,
        plan_sha256="5f" * 32,
        cells=cells,
        rerun="statefall run default --cluster local --seed 1",
        fingerprint={
            "balancer": "Traefik 3.7.15",
            "store": "Valkey 8.1.8",
            "cores": "2",
            "kernel": "Linux 6.1",
        },
    )


@dataclass(slots=True)
class SimulatedRun:
    """A whole run in memory: its plan, events and loads."""

    plan: RunHead
    events: list[Event]
    loads: dict[str, LoadResult]

    def record(self, folder: Path) -> Path:
        """Write it as the conductor would; returns the run's folder, not judged yet."""
        recorder = RunRecorder.create(folder, self.plan.run)
        recorder.head(self.plan)
        for record in self.events:
            recorder.record(record)
        for cell, load in self.loads.items():
            recorder.load_result(cell, load)
        recorder.close()
        return recorder.path


_SIMULATED: dict[str, SimulatedRun] = {}
"""The last ones, by what they were asked for: the same seed simulates the same, and many tests ask alike."""
KEPT = 8


def simulate(plan: RunHead | None = None, *, seed: int = 1, **cell_options: Any) -> SimulatedRun:
    """Run every cell of the plan, one after the other. What comes back may be changed."""
    plan = plan or default_plan()
    asked = repr((plan, seed, sorted(cell_options.items())))
    if asked not in _SIMULATED:
        while len(_SIMULATED) >= KEPT:
            del _SIMULATED[next(iter(_SIMULATED))]
        _SIMULATED[asked] = _simulate(plan, seed, cell_options)
    run = _SIMULATED[asked]
    return SimulatedRun(plan, list(run.events), dict(run.loads))


def _simulate(plan: RunHead, seed: int, cell_options: dict[str, Any]) -> SimulatedRun:
    events: list[Event] = [RunStarted(at=Instant(90.0, WALL_S + 90.0), run=plan.run, seed=plan.seed)]
    loads = {}
    begin_s = 100.0
    for cell in plan.cells:
        story = Cell(cell, seed=seed, begin_s=begin_s, **cell_options)
        loads[cell.name] = story.run()
        events += sorted(story.events, key=lambda e: e.at_s)
        begin_s += 40.0
    end = Instant(begin_s, WALL_S + begin_s)
    return SimulatedRun(plan, [*events, RunEnded(at=end)], loads)
