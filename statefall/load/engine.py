"""One load process: its shoppers, their ledger and their recorder, and what is told of them.

The same engine runs alone in a process or as one of several workers; the difference is where its
reports go and who calls it (see `coordinator`).
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

import gevent
from gevent.event import Event as Signal

from statefall.ledger.history.writing import ProcessHistory
from statefall.ledger.realtime import RealtimeCounter
from statefall.ledger.session import Finding, Session
from statefall.ledger.session_registry import SessionRegistry
from statefall.load.context import LoadContext, Sample
from statefall.load.journey.bare import BareShopper, Journey
from statefall.load.journey.loading import load_journey
from statefall.load.messages import Mark, ProcessTick, Report
from statefall.load.pressure import ProcessorPressure
from statefall.load.recorder import Recorder, total
from statefall.load.virtual_user import VirtualUser
from statefall.records.clock import Clock, Instant, system_clock
from statefall.records.events import (
    Event,
    Home,
    Replica,
    SessionLost,
    SessionStarted,
)
from statefall.records.load import LoadConfig, Shopper
from statefall.records.verdicts import LoadResult, Verdict

TICK_S: Final = 1.0
HISTORY_S: Final = 0.2
"""How long a line of the history may wait before it is told."""
DRAIN_S: Final = 2.0
"""How long requests under way may still be answered when the load ends."""
AUDIT_SPACING_S: Final = 0.01
AUDIT_LIMIT_S: Final = 25.0


@dataclass(slots=True)
class Engine:
    """The load of one process. All moments are on this process's clock."""

    report: Callable[[Report], None]
    spawn: Callable[[int], None]
    """Starts so many greenlets, each of which calls `run_next_user`."""
    sampled: Callable[[Sample], None]
    clock: Clock = system_clock
    environment: Any = None
    """Locust's."""
    _pressure: ProcessorPressure = field(default_factory=ProcessorPressure)
    _context: LoadContext | None = None
    _journey: Journey | None = None
    _waiting: list[VirtualUser] = field(default_factory=list)
    _users: list[VirtualUser] = field(default_factory=list)
    _running: int = 0
    _all_left: Signal = field(default_factory=Signal)
    _greenlets: list[gevent.Greenlet[..., Any]] = field(default_factory=list)
    _ticker: gevent.Greenlet[..., Any] | None = None
    _begin_s: float = 0.0
    _teller: gevent.Greenlet[..., Any] | None = None
    _last_tick_s: float = 0.0
    _ticks: int = 0
    _result: LoadResult | None = None
    _faults: list[str] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)
    """Of the history, not told yet."""

    def assign(self, config: LoadConfig, kind: type[BareShopper] | None = None) -> None:
        """The configuration, with the shoppers of this process alone. Raises InputError.

        `kind`: the class of a journey that is loaded already; else the configuration names its file.
        """
        kind = kind or load_journey(config.journey)
        nonce = secrets.token_hex(4)
        self._context = LoadContext(
            config=config,
            registry=SessionRegistry(),
            recorder=Recorder(),
            nonce=nonce,
            session_started=self._session_started,
            found=self._found,
            realtime=RealtimeCounter(),
            tell=self._tell,
            clock=self.clock,
            sampled=self.sampled,
            history=ProcessHistory(nonce, self._lines.append),
        )
        self._journey = kind.begin(self._context, self.environment, self._fault)

    @property
    def journey(self) -> Journey:
        """What makes its shoppers."""
        if self._journey is None:
            raise RuntimeError("the load has no configuration yet")
        return self._journey

    def verdicts(self) -> Counter[str]:
        """The sessions so far by verdict."""
        return Counter(record.verdict.value for record in self._assigned().registry.records())

    def start(self, begin_s: float) -> None:
        """Let the shoppers arrive, counted from this moment."""
        context = self._assigned()
        if self._users:
            return
        self._begin_s = self._last_tick_s = begin_s
        self._users = [self.journey.virtual_user(shopper) for shopper in context.config.shoppers]
        self._waiting = self._users[::-1]
        self._running = len(self._users)
        if not self._users:
            self._all_left.set()
        self._teller = gevent.spawn(self._tell_history_on)
        self._ticker = gevent.spawn(self._tick_on)
        self.spawn(len(self._users))

    def run_next_user(self) -> None:
        """The stay of the next of the shoppers that `start` let in; returns when the load ends."""
        self._stay(self._waiting.pop(), self._begin_s)

    def let_stay(self, user: VirtualUser) -> None:
        """The stay of a user who was made elsewhere; returns when the load ends."""
        self._users.append(user)
        self._running += 1
        self._all_left.clear()
        self._stay(user, time.monotonic())

    def _fault(self, reason: str) -> None:
        if reason not in self._faults:
            self._faults.append(reason)

    def _stay(self, user: VirtualUser, begin_s: float) -> None:
        self._greenlets.append(cast("gevent.Greenlet[..., Any]", gevent.getcurrent()))
        try:
            user.run(begin_s)
        except Exception as error:
            self._faults.append(f"a shopper broke down: {type(error).__name__}: {error}")
            raise
        finally:
            self._running -= 1
            if not self._running:
                self._all_left.set()

    def phase(self, name: str) -> None:
        """All requests from now on belong to this phase."""
        self._assigned().recorder.phase = name

    def mark(self) -> Mark:
        """The live sessions at this one moment: nothing here lets another greenlet run."""
        context = self._assigned()
        registry = context.registry
        if not registry.marked:
            context.history.mark(time.monotonic())
        homes = registry.mark()
        return Mark(
            live_sessions=sum(homes.values()),
            by_boot={str(replica): homes[replica] for replica in sorted(homes, key=str)},
        )

    def audit(self) -> None:
        """Have every live session read once more; returns when all are done, or at the limit."""
        asked = [user.ask_audit(index * AUDIT_SPACING_S) for index, user in enumerate(self._users)]
        gevent.wait(asked, timeout=AUDIT_LIMIT_S)

    def finish(self) -> LoadResult:
        """Stop the shoppers and take the final counts. A second call returns the same."""
        if self._result is None:
            for user in self._users:
                user.stop()
            self._all_left.wait(DRAIN_S)
            gevent.killall(self._greenlets, timeout=DRAIN_S)
            if self._ticker is not None:
                self._ticker.kill()
                self._tick()
            self._result = self._final_counts()
            if self._teller is not None:
                self._teller.kill()
                self._assigned().history.end(self._result.sessions)
                self._tell_history()
        return self._result

    def _final_counts(self) -> LoadResult:
        context = self._assigned()
        for complaint in self.journey.complaints():
            self._fault(complaint)
        by_phase = context.recorder.by_phase()
        return LoadResult(
            requests=total(by_phase),
            requests_by_phase=by_phase,
            operations=context.recorder.operations,
            sessions=context.registry.records(),
            told_lost=context.registry.told_lost(),
            histograms=context.recorder.histograms(),
            generator_faults=tuple(self._faults),
            realtime=context.realtime.counts(),
            answers_by_phase=context.recorder.answers(),
        )

    def _assigned(self) -> LoadContext:
        if self._context is None:
            raise RuntimeError("the load has no configuration yet")
        return self._context

    def _tick_on(self) -> None:
        while True:
            due = self._begin_s + (self._ticks + 1) * TICK_S
            gevent.sleep(max(0.0, due - time.monotonic()))
            self._tick()

    def _tell_history_on(self) -> None:
        while True:
            gevent.sleep(HISTORY_S)
            self._tell_history()

    def _tell_history(self) -> None:
        if self._lines:
            lines, self._lines[:] = tuple(self._lines), ()
            self.report(Report(history=lines))

    def _tick(self) -> None:
        context = self._assigned()
        now = self.clock()
        interval = context.recorder.tick(max(0.0, now.monotonic_s - self._last_tick_s))
        self._last_tick_s = now.monotonic_s
        self._ticks += 1
        tick = ProcessTick(
            number=self._ticks,
            at=now,
            live_sessions=context.registry.live_sessions,
            lost_so_far=context.registry.lost_so_far,
            interval=interval,
            cpu_pressure=self._pressure.share(),
        )
        self.report(Report(tick=tick))

    def _session_started(self, shopper: Shopper, session: Session) -> None:
        self._tell(
            SessionStarted(
                at=self.clock(),
                cell=self._assigned().config.cell,
                session=session.session,
                shopper=shopper.index,
                user_id=shopper.user_id,
                pod=session.home.pod,
                boot=session.home.boot,
            )
        )

    def _found(self, finding: Finding) -> None:
        context = self._assigned()
        self._tell(session_lost(finding, context.config.cell, context.recorder.phase, self.clock()))

    def _tell(self, event: Event) -> None:
        self.report(Report(events=(event,)))


def session_lost(finding: Finding, cell: str, phase: str, at: Instant) -> SessionLost:
    """A finding as an event of the run."""
    assert finding.verdict is not Verdict.KEPT
    return SessionLost(
        at=at,
        cell=cell,
        session=finding.session,
        shopper=finding.shopper,
        user_id=finding.user_id,
        verdict=finding.verdict,
        evidence=finding.evidence,
        phase=phase,
        home=_home(finding.home, finding.home_since_s),
        answered_by=finding.answered_by,
        acknowledged_version=finding.acknowledged_version,
        seen_version=finding.seen_version,
        idle_s=finding.idle_s,
    )


def _home(replica: Replica, since_s: float) -> Home:
    return Home(replica.pod, replica.boot, round(since_s, 6))
