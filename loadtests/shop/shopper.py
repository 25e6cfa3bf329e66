"""One shopper of the shop: logs in, walks, thinks, and logs in again when lost.

This is the only place where journey, client, ledger and recorder meet. It knows neither Locust nor
the other shoppers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from statefall.ledger.session import SessionState
from statefall.load import AUDIT_TRIES, LoadContext, NoAnswer, Sample, VirtualUser
from statefall.records.contract import OPERATION_HEADER
from statefall.records.load import Shopper
from statefall.records.verdicts import RequestFailure

from .client import Client, Target
from .contract import SessionStatus
from .journeys import CART_TOTAL, CONVERSATION, DASHBOARD, Call, Journey, Page, Step, call, login_call
from .ledger.answer import Answer, NoResponse, RequestOutcome, Write, read_answer, read_json
from .ledger.session import SessionLedger
from .ledger.sessions import ShopSessions
from .live import Live, LiveFinding, has_websockets, live_event

PUBLIC: Final = frozenset({Page.PRODUCT, Page.PRODUCTS})
"""Pages that need no session, so that they cannot tell whether one is known."""


class ShopJourney:
    """The shop's journey in one load process."""

    def __init__(self, context: LoadContext) -> None:
        """Raises InputError for a target that is not plain HTTP."""
        self.context = context
        self.target = Target.of(context.config.target)
        self.sessions = ShopSessions(context.registry, context.config.max_reloads)

    def virtual_user(self, planned: Shopper, user: Any = None) -> ShopUser:
        """One more shopper; what Locust made of the class is not needed for it."""
        return ShopUser(self, planned)

    def complaints(self) -> Sequence[str]:
        """Whatever never worked, the counts and the ledger say."""
        return ()


class ShopUser(VirtualUser):
    """One virtual user of the shop."""

    def __init__(self, shared: ShopJourney, shopper: Shopper) -> None:
        super().__init__(shopper)
        self._sessions = shared.sessions
        self._context = context = shared.context
        self._journey = Journey(context.config, shopper)
        self._client = Client(shared.target, context.config.timeout_s)
        self._session: SessionLedger | None = None
        self._cart: Any = None
        self._operations = 0
        self._live: Live | None = None
        if has_websockets(context.config, shopper):
            self._live = Live(context.config, shopper, self._client, context.realtime, self._found_live)

    @property
    def has_session(self) -> bool:
        """See `VirtualUser.has_session`."""
        return self._session is not None

    def step(self) -> None:
        """See `VirtualUser.step`."""
        if self._session is None:
            self._log_in()
        else:
            self._perform(self._journey.next_step(self._session.promises.cart.products))
        self._be_live()

    def wait_s(self) -> float:
        """See `VirtualUser.wait_s`."""
        return self._journey.think_s()

    def close(self) -> None:
        """See `VirtualUser.close`."""
        if self._live is not None:
            self._live.close()
        self._client.close()

    def awaits_audit(self) -> None:
        """See `VirtualUser.awaits_audit`."""
        if self._session is not None:
            self._session.awaits_audit()

    def audit(self) -> None:
        """See `VirtualUser.audit`."""
        talks = self._session is not None and self._session.promises.conversation.holds_anything
        for step in (CART_TOTAL, DASHBOARD, *([CONVERSATION] if talks else [])):
            for _ in range(AUDIT_TRIES):
                if self._session is None or self.stopping:
                    break
                outcome = self._perform(step)
                if isinstance(outcome, Answer) and outcome.status < 500:
                    break
                self.pause_before_retry()
        if self._live is not None:
            self._live.settle()

    def _log_in(self) -> None:
        context, shopper = self._context, self.planned
        outcome, document = self._exchange(login_call(shopper.user_id))
        if not isinstance(outcome, Answer) or outcome.status != 200 or not outcome.readable:
            return
        self._client.bearer = self._cart = None
        self._keep_state(document)
        session, findings = self._sessions.open(
            shopper.index,
            shopper.user_id,
            outcome,
            time.monotonic(),
            client_held=self._client.bearer is not None,
        )
        self._session = session
        context.recorder.logged_in()
        context.session_started(shopper, session)
        for finding in findings:
            context.found(finding)

    def _perform(self, step: Step) -> RequestOutcome:
        """Do a step; while a replica does not know the session, reload, as often as `max_reloads` allows."""
        outcome = self._request(step)
        return self._reload(DASHBOARD if step.write is not None or step.page in PUBLIC else step, outcome)

    def _reload(self, step: Step, outcome: RequestOutcome) -> RequestOutcome:
        while self._session is not None and self._session.state is SessionState.SUSPECT and not self.stopping:
            outcome = self._request(step)
            if isinstance(outcome, NoResponse) or outcome.status >= 500:
                break  # the balancer has nobody to ask; the next step will tell
        return outcome

    def _request(self, step: Step) -> RequestOutcome:
        session = self._session
        assert session is not None
        outcome, document = self._exchange(call(step, self._cart))
        if isinstance(outcome, Answer) and outcome.status < 400:
            self._keep_state(document)
        self._hold(session, step.write, outcome)
        return outcome

    def _hold(self, session: SessionLedger, write: Write | None, outcome: RequestOutcome) -> None:
        """Hold an outcome to the session's promises."""
        for finding in self._sessions.observe(session, write, outcome, time.monotonic()):
            self._context.found(finding)
        if session.state is SessionState.LOST:
            self._session = self._client.bearer = self._cart = None
            if self._live is not None:
                self._live.close()

    def _be_live(self) -> None:
        """Keep the WebSockets open and maybe say something; a refused one tells of the session, too."""
        if self._live is None or self._session is None or self.stopping:
            return
        refused = self._live.keep_open()
        if refused is not None:
            self._hold(self._session, None, refused)
            self._reload(DASHBOARD, refused)
        if self._session is not None:
            self._live.act()

    def _found_live(self, finding: LiveFinding) -> None:
        context = self._context
        session = self._session.session if self._session is not None else None
        phase = context.recorder.phase
        context.tell(live_event(self.planned, session, finding, context.config.cell, phase, context.clock()))

    def _keep_state(self, document: Any) -> None:
        """Keep what the service handed over, to be sent back with the next request."""
        if not isinstance(document, dict):
            return
        if isinstance(document.get("token"), str):
            self._client.bearer = document["token"]
        if isinstance(document.get("cart"), dict | list):
            self._cart = document["cart"]

    def _exchange(self, request: Call) -> tuple[RequestOutcome, Any]:
        """Send once, count once. Also when the greenlet is killed in the middle."""
        recorder, client = self._context.recorder, self._client
        self._operations += 1
        operation = f"{self._context.nonce}.{self.planned.index}.{self._operations}"
        what = request.name, request.method, request.path
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
            recorder.failed(phase, took_s, response.failure)
            self._context.sampled(Sample(*what, began_wall_s, took_s, 0, response.reason))
            return NoResponse(response.sent, response.reason), None
        document = read_json(response.body)
        answer = read_answer(response.status, response.headers, document)
        if answer.status >= 500:
            recorder.failed(phase, took_s, RequestFailure.of_status(answer.status))
        else:
            recorder.completed(phase, took_s, degraded=answer.session is SessionStatus.DEGRADED)
        failure = f"{answer.status} {answer.error or ''}".strip() if answer.status >= 400 else None
        self._context.sampled(Sample(*what, began_wall_s, took_s, len(response.body), failure))
        return answer, document
