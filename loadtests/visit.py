"""One shopper from arrival to the end: logs in, walks, thinks, and logs in again when lost.

This is the only place where journey, client, ledger and recorder meet. It knows neither Locust nor
the other shoppers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gevent.event import Event

from loadtests.client import Client, NoAnswer, Target
from loadtests.config import LoadConfig, Shopper
from loadtests.journeys import (
    CART_TOTAL,
    CONVERSATION,
    DASHBOARD,
    Call,
    Journey,
    Page,
    Step,
    call,
    login_call,
)
from loadtests.ledger.answer import Answer, Outcome, Silence, Write, read_answer, read_json
from loadtests.ledger.book import Book
from loadtests.ledger.realtime import RealtimeBook
from loadtests.ledger.session import Finding, SessionLedger, Standing
from loadtests.live import Live, LiveFinding, has_websockets
from loadtests.recorder import Recorder
from services.contract import OPERATION_HEADER, SessionStatus

AUDIT_TRIES: Final = 3
AUDIT_RETRY_S: Final = 0.3
PUBLIC: Final = frozenset({Page.PRODUCT, Page.PRODUCTS})
"""Pages that need no session, so that they cannot tell whether one is known."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A request as Locust's statistics want it."""

    call: Call
    began_wall_s: float
    took_s: float
    length_bytes: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class Premises:
    """What all shoppers of a load process share."""

    config: LoadConfig
    target: Target
    book: Book
    recorder: Recorder
    nonce: str
    """Makes operation ids unique over all processes and runs."""
    session_started: Callable[[Shopper, SessionLedger], None]
    found: Callable[[Finding], None]
    realtime: RealtimeBook
    found_live: Callable[[Shopper, SessionLedger | None, LiveFinding], None]
    sampled: Callable[[Sample], None]


class Visit:
    """One shopper. Runs in a greenlet of its own; `stop` and `ask_audit` are called from others."""

    def __init__(self, premises: Premises, shopper: Shopper) -> None:
        self._premises = premises
        self._shopper = shopper
        self._journey = Journey(premises.config, shopper)
        self._client = Client(premises.target, premises.config.timeout_s)
        self._session: SessionLedger | None = None
        self._cart: Any = None
        self._operations = 0
        self._nudge = Event()
        self._stopping = False
        self._audits: list[tuple[float, Event]] = []
        self._live: Live | None = None
        if has_websockets(premises.config, shopper):
            self._live = Live(premises.config, shopper, self._client, premises.realtime, self._found_live)

    def run(self, begin_s: float) -> None:
        """Arrive, and go on until `stop`. `begin_s`: when the load began, monotonic."""
        try:
            self._pause_until(begin_s + self._shopper.arrival_s)
            while not self._stopping:
                if self._session is None:
                    self._log_in()
                else:
                    self._perform(self._journey.next_step(self._session.promises.cart.products))
                self._be_live()
                self._pause_until(time.monotonic() + self._journey.think_s())
        finally:
            if self._live is not None:
                self._live.close()
            self._client.close()
            for _, done in self._audits:
                done.set()

    def stop(self) -> None:
        """End after the request that is under way."""
        self._stopping = True
        self._nudge.set()

    def ask_audit(self, delay_s: float) -> Event:
        """Read everything that decides, so many seconds from now; the event is set when it is done."""
        done = Event()
        if self._session is None or self._stopping:
            done.set()
        else:
            self._audits.append((time.monotonic() + delay_s, done))
            self._nudge.set()
        return done

    def _pause_until(self, moment_s: float) -> None:
        while not self._stopping:
            now = time.monotonic()
            due = self._audits[0][0] if self._audits else moment_s
            if self._audits and now >= due:
                self._audit(self._audits[0][1])
                del self._audits[0]
            elif not self._audits and now >= moment_s:
                return
            else:
                self._nudge.wait(max(0.0, due - now))
                self._nudge.clear()

    def _audit(self, done: Event) -> None:
        self._nudge.clear()  # or the pauses between tries would be none
        talks = self._session is not None and self._session.promises.conversation.holds_anything
        for step in (CART_TOTAL, DASHBOARD, *([CONVERSATION] if talks else [])):
            for _ in range(AUDIT_TRIES):
                if self._session is None or self._stopping:
                    break
                outcome = self._perform(step)
                if isinstance(outcome, Answer) and outcome.status < 500:
                    break
                self._nudge.wait(AUDIT_RETRY_S)
        if self._live is not None:
            self._live.settle()
        done.set()

    def _log_in(self) -> None:
        premises, shopper = self._premises, self._shopper
        outcome, document = self._exchange(login_call(shopper.user_id, premises.config.password))
        if not isinstance(outcome, Answer) or outcome.status != 200 or not outcome.readable:
            return
        self._client.bearer = self._cart = None
        self._keep_state(document)
        session, findings = premises.book.open(
            shopper.index,
            shopper.user_id,
            outcome,
            time.monotonic(),
            client_held=self._client.bearer is not None,
        )
        self._session = session
        premises.recorder.logged_in()
        premises.session_started(shopper, session)
        for finding in findings:
            premises.found(finding)

    def _perform(self, step: Step) -> Outcome:
        """Do a step; while a replica does not know the session, reload as often as patience allows."""
        outcome = self._request(step)
        return self._reload(DASHBOARD if step.write is not None or step.page in PUBLIC else step, outcome)

    def _reload(self, step: Step, outcome: Outcome) -> Outcome:
        while self._session is not None and self._session.standing is Standing.SUSPECT and not self._stopping:
            outcome = self._request(step)
            if isinstance(outcome, Silence) or outcome.status >= 500:
                break  # the balancer has nobody to ask; the next step will tell
        return outcome

    def _request(self, step: Step) -> Outcome:
        session = self._session
        assert session is not None
        outcome, document = self._exchange(call(step, self._cart))
        if isinstance(outcome, Answer) and outcome.status < 400:
            self._keep_state(document)
        self._hold(session, step.write, outcome)
        return outcome

    def _hold(self, session: SessionLedger, write: Write | None, outcome: Outcome) -> None:
        """Hold an outcome to the session's promises."""
        for finding in self._premises.book.observe(session, write, outcome, time.monotonic()):
            self._premises.found(finding)
        if session.standing is Standing.LOST:
            self._session = self._client.bearer = self._cart = None
            if self._live is not None:
                self._live.close()

    def _be_live(self) -> None:
        """Keep the WebSockets open and maybe say something; a refused one tells of the session, too."""
        if self._live is None or self._session is None or self._stopping:
            return
        refused = self._live.keep_open()
        if refused is not None:
            self._hold(self._session, None, refused)
            self._reload(DASHBOARD, refused)
        if self._session is not None:
            self._live.act()

    def _found_live(self, finding: LiveFinding) -> None:
        self._premises.found_live(self._shopper, self._session, finding)

    def _keep_state(self, document: Any) -> None:
        """Keep what the service handed over, to be sent back with the next request."""
        if not isinstance(document, dict):
            return
        if isinstance(document.get("token"), str):
            self._client.bearer = document["token"]
        if isinstance(document.get("cart"), dict | list):
            self._cart = document["cart"]

    def _exchange(self, request: Call) -> tuple[Outcome, Any]:
        """Send once, count once. Also when the greenlet is killed in the middle."""
        recorder, client = self._premises.recorder, self._client
        self._operations += 1
        operation = f"{self._premises.nonce}.{self._shopper.index}.{self._operations}"
        phase = recorder.scheduled()
        began_wall_s, began_s = time.time(), time.perf_counter()
        response = None
        try:
            response = client.send(request.method, request.path, request.body, {OPERATION_HEADER: operation})
        finally:
            took_s = time.perf_counter() - began_s
            if client.sent:
                recorder.operations += 1
            elif response is None:
                recorder.dropped(phase)
        if isinstance(response, NoAnswer):
            recorder.failed(phase, took_s)
            self._premises.sampled(Sample(request, began_wall_s, took_s, 0, response.reason))
            return Silence(response.sent, response.reason), None
        document = read_json(response.body)
        answer = read_answer(response.status, response.headers, document)
        if answer.status >= 500:
            recorder.failed(phase, took_s)
        else:
            recorder.completed(phase, took_s, degraded=answer.session is SessionStatus.DEGRADED)
        failure = f"{answer.status} {answer.error or ''}".strip() if answer.status >= 400 else None
        self._premises.sampled(Sample(request, began_wall_s, took_s, len(response.body), failure))
        return answer, document
