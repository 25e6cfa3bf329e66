"""One load process: its shoppers, their ledger and their recorder, and what is told of them.

The same engine runs alone in a process or as one of several workers; the difference is where its
reports go and who calls it (see `crew`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, cast

import gevent
from gevent.event import Event

from foundation.clock import Clock, Instant, system_clock
from foundation.events import Kind, event
from foundation.verdicts import LoadResult, Verdict
from loadtests.client import Target
from loadtests.config import LoadConfig, Shopper
from loadtests.ledger.book import Book
from loadtests.ledger.inbox import MessageFinding
from loadtests.ledger.realtime import RealtimeBook
from loadtests.ledger.session import Finding, SessionLedger
from loadtests.live import LiveFinding
from loadtests.recorder import Recorder, total
from loadtests.visit import Premises, Sample, Visit

TICK_S: Final = 1.0
DRAIN_S: Final = 2.0
"""How long requests under way may still be answered when the load ends."""
AUDIT_SPACING_S: Final = 0.01
AUDIT_LIMIT_S: Final = 25.0

Report = dict[str, Any]
"""`{"events": [...], "tick": {...} or None}`."""


@dataclass(slots=True)
class Engine:
    """The load of one process. All moments are on this process's clock."""

    report: Callable[[Report], None]
    spawn: Callable[[int], None]
    """Starts so many greenlets, each of which calls `visit`."""
    sampled: Callable[[Sample], None]
    clock: Clock = system_clock
    _premises: Premises | None = None
    _waiting: list[Visit] = field(default_factory=list)
    _visits: list[Visit] = field(default_factory=list)
    _running: int = 0
    _all_left: Event = field(default_factory=Event)
    _greenlets: list[gevent.Greenlet[..., Any]] = field(default_factory=list)
    _ticker: gevent.Greenlet[..., Any] | None = None
    _begin_s: float = 0.0
    _last_tick_s: float = 0.0
    _ticks: int = 0
    _result: LoadResult | None = None
    _faults: list[str] = field(default_factory=list)

    def assign(self, config: LoadConfig) -> None:
        """The configuration, with the shoppers of this process alone. Raises InputError."""
        self._premises = Premises(
            config=config,
            target=Target.of(config.target),
            book=Book(config.patience),
            recorder=Recorder(),
            nonce=secrets.token_hex(4),
            session_started=self._session_started,
            found=self._found,
            realtime=RealtimeBook(),
            found_live=self._found_live,
            sampled=self.sampled,
        )

    def start(self, begin_s: float) -> None:
        """Let the shoppers arrive, counted from this moment."""
        premises = self._assigned()
        if self._visits:
            return
        self._begin_s = self._last_tick_s = begin_s
        self._visits = [Visit(premises, shopper) for shopper in premises.config.shoppers]
        self._waiting = self._visits[::-1]
        self._running = len(self._visits)
        if not self._visits:
            self._all_left.set()
        self._ticker = gevent.spawn(self._tick_on)
        self.spawn(len(self._visits))

    def visit(self) -> None:
        """The stay of the next of the shoppers that `start` let in; returns when the load ends."""
        self._stay(self._waiting.pop(), self._begin_s)

    def welcome(self, shopper: Shopper) -> None:
        """The stay of a shopper who was not in the configuration; returns when the load ends."""
        visit = Visit(self._assigned(), shopper)
        self._visits.append(visit)
        self._running += 1
        self._all_left.clear()
        self._stay(visit, time.monotonic())

    def _stay(self, visit: Visit, begin_s: float) -> None:
        self._greenlets.append(cast("gevent.Greenlet[..., Any]", gevent.getcurrent()))
        try:
            visit.run(begin_s)
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

    def mark(self) -> dict[str, Any]:
        """The live sessions at this one moment: nothing here lets another greenlet run."""
        homes = self._assigned().book.mark()
        return {
            "live_sessions": sum(homes.values()),
            "by_boot": {str(replica): homes[replica] for replica in sorted(homes, key=str)},
        }

    def audit(self) -> None:
        """Have every live session read once more; returns when all are done, or at the limit."""
        asked = [visit.ask_audit(place * AUDIT_SPACING_S) for place, visit in enumerate(self._visits)]
        gevent.wait(asked, timeout=AUDIT_LIMIT_S)

    def finish(self) -> LoadResult:
        """Stop the shoppers and close the books. A second call returns the same."""
        if self._result is None:
            for visit in self._visits:
                visit.stop()
            self._all_left.wait(DRAIN_S)
            gevent.killall(self._greenlets, timeout=DRAIN_S)
            if self._ticker is not None:
                self._ticker.kill()
                self._tick()
            self._result = self._closed_books()
        return self._result

    def _closed_books(self) -> LoadResult:
        premises = self._assigned()
        by_phase = premises.recorder.by_phase()
        return LoadResult(
            requests=total(by_phase),
            requests_by_phase=by_phase,
            operations=premises.recorder.operations,
            sessions=premises.book.records(),
            told_lost=premises.book.told_lost(),
            histograms=premises.recorder.histograms(),
            generator_faults=tuple(self._faults),
            realtime=premises.realtime.counts(),
            answers_by_phase=premises.recorder.answers(),
        )

    def _assigned(self) -> Premises:
        if self._premises is None:
            raise RuntimeError("the load has no configuration yet")
        return self._premises

    def _tick_on(self) -> None:
        while True:
            due = self._begin_s + (self._ticks + 1) * TICK_S
            gevent.sleep(max(0.0, due - time.monotonic()))
            self._tick()

    def _tick(self) -> None:
        premises = self._assigned()
        now = self.clock()
        interval = premises.recorder.tick(max(0.0, now.monotonic_s - self._last_tick_s))
        self._last_tick_s = now.monotonic_s
        self._ticks += 1
        tick = {
            **now.record(),
            "number": self._ticks,
            "live_sessions": premises.book.live_sessions,
            "lost_so_far": premises.book.lost_so_far,
            **asdict(interval),
        }
        self.report({"events": [], "tick": tick})

    def _session_started(self, shopper: Shopper, session: SessionLedger) -> None:
        self._tell(
            event(
                Kind.SESSION_STARTED,
                self.clock(),
                session=session.session,
                shopper=shopper.index,
                user_id=shopper.user_id,
                pod=session.home.pod,
                boot=session.home.boot,
            )
        )

    def _found(self, finding: Finding) -> None:
        self._tell(lost_event(finding, self._assigned().recorder.phase, self.clock()))

    def _found_live(self, shopper: Shopper, session: SessionLedger | None, finding: LiveFinding) -> None:
        phase = self._assigned().recorder.phase
        self._tell(live_event(shopper, session, finding, phase, self.clock()))

    def _tell(self, record: dict[str, Any]) -> None:
        self.report({"events": [record], "tick": None})


def lost_event(finding: Finding, phase: str, at: Instant) -> dict[str, Any]:
    """A finding as an event of the run."""
    assert finding.verdict is not Verdict.KEPT
    return event(
        Kind.SESSION_LOST,
        at,
        session=finding.session,
        shopper=finding.shopper,
        user_id=finding.user_id,
        verdict=finding.verdict.value,
        evidence=finding.evidence,
        phase=phase,
        home={"pod": finding.home.pod, "boot": finding.home.boot, "since_s": round(finding.home_since_s, 6)},
        answered_by=[{"pod": replica.pod, "boot": replica.boot} for replica in finding.answered_by],
        acknowledged_version=finding.acknowledged_version,
        seen_version=finding.seen_version,
    )


def live_event(
    shopper: Shopper, session: SessionLedger | None, finding: LiveFinding, phase: str, at: Instant
) -> dict[str, Any]:
    """A lost connection or message as an event of the run. The session may be over already."""
    what, line = finding.what, finding.line
    common: dict[str, Any] = {
        "session": session.session if session is not None else None,
        "shopper": shopper.index,
        "user_id": shopper.user_id,
        "connection": line.connection,
        "evidence": finding.evidence,
        "phase": phase,
        "home": {
            "pod": line.replica.pod,
            "boot": line.replica.boot,
            "since_s": round(line.opened_s, 6),
        },
    }
    if not isinstance(what, MessageFinding):
        return event(Kind.CONNECTION_LOST, at, verdict=what.value, code=finding.code, **common)
    where = {"channel": what.channel, "stream": what.stream, "first": what.first, "last": what.last}
    return event(Kind.MESSAGE_LOST, at, verdict=what.verdict.value, **where, **common)
