"""All requests of one shopper: counted, placed, and held to what the session was promised."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from gevent.local import local

from statefall.ledger.journey_session import FORBIDDEN, JourneySession
from statefall.ledger.kinds.objects import SessionObjects
from statefall.ledger.kinds.promise import Promise, Read, Write, WriteState
from statefall.ledger.session import Finding, SessionState
from statefall.load.answers import HttpAnswer, HttpRequest, NoAnswer
from statefall.load.cookies import CookieJar, Cookies
from statefall.load.http import Fields
from statefall.load.journey.context import JourneyContext
from statefall.load.journey.declared import JourneyMistake
from statefall.load.journey.login_pages import LoginPages, away
from statefall.load.journey.replicas import NOBODY
from statefall.load.journey.replies import NoReply, Reply, TaskEnded
from statefall.load.journey.sockets import WEBSOCKET
from statefall.load.journey.tabs import AnyTab, Tab
from statefall.records.errors import InputError
from statefall.records.load import Shopper as PlannedShopper

Writes = Write | Iterable[Write] | None


class Exchanges:
    """What one shopper asks, and what the session was promised by it."""

    def __init__(
        self,
        context: JourneyContext,
        planned: PlannedShopper,
        knows_me: Callable[[Reply], bool],
        first_tab: Callable[[Exchanges], AnyTab],
    ) -> None:
        self.context, self._planned, self._knows_me = context, planned, knows_me
        self.session: JourneySession | None = None
        self.logging_in = False
        self.jar = CookieJar()
        """Of the journey's own client; its tabs share it."""
        self.cookies: Cookies = self.jar
        """Whoever keeps them."""
        self.tabs: list[AnyTab] = [first_tab(self)]
        self.compared: set[str] = set()
        """Promises that the current task compared."""
        self.wrote = False
        self.unanswered = False
        """A request of the current task had no answer."""
        self.failed = False
        """The last request had none."""
        self.last: Reply | None = None
        self._read_last: Any = local()
        self._operations = 0
        self._page: HttpRequest | None = None
        """What was asked for by the read that was compared last."""
        self.login_pages = LoginPages(context.site.base_path)
        self._found_at_login: list[Finding] = []
        self._cookies_of_lost = False
        """The cookies are those of a session that was lost."""
        self.led_away = ""
        """Where a page of the login led instead, with those cookies."""

    # -- what the journey asks

    def open_tab(self) -> Tab:
        """One more, with the same cookies and the same session."""
        tab = Tab(self, self.jar)
        self.tabs.append(tab)
        return tab

    def request(
        self,
        tab: Tab,
        method: str,
        path: str,
        *,
        name: str | None = None,
        writes: Writes = None,
        json: object = None,
        data: Fields | bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Fields | None = None,
        allow_redirects: bool = True,
    ) -> Reply:
        """Ask once. `writes`: what a good answer to it promises. Raises NoReply, TaskEnded."""

        def ask() -> HttpAnswer | NoAnswer:
            tab.name = name
            return tab.client.request(
                method, path, json=json, data=data, headers=headers, params=params,
                allow_redirects=allow_redirects,
            )  # fmt: skip

        return self.exchange(tab, method, path, ask, writes)

    def exchange(
        self, tab: AnyTab, method: str, path: str, ask: Callable[[], HttpAnswer | NoAnswer], writes: Writes
    ) -> Reply:
        """See `request`. `ask` asks once, with whatever client."""
        declared = (writes,) if isinstance(writes, Write) else tuple(writes or ())
        session = self.session
        self.may_ask(declared)
        if self.logging_in and method.upper() not in ("GET", WEBSOCKET):
            self.login_pages.add(path)
        reply = self._ask(tab, method, path, ask, declared)
        if session is None or self.session is not session or self.logging_in:
            self._answered(session, reply, _outcome(reply))
            return reply
        if self._recognises(session, reply, _outcome(reply)):
            return reply
        again = reply.asked if reply.method == "GET" == method.upper() and not declared else None
        return self._reload(session, tab, reply, again)

    def reload_page(self) -> None:
        """Ask again for the page that was compared last. Raises TaskEnded where there is none."""
        if self._page is None:
            self.unanswered = True
            raise TaskEnded
        self.tabs[0].reload(self._page)

    def next_operation(self) -> str:
        """An id that no other request has, in any process or run."""
        self._operations += 1
        return f"{self.context.load.nonce}.{self._planned.index}.{self._operations}"

    def may_ask(self, writes: tuple[Write, ...]) -> None:
        """Raises TaskEnded where these writes cannot be declared now."""
        session = self.session
        if session is None:
            if writes:
                raise TaskEnded
            return
        if writes and session.undecided:
            raise TaskEnded  # first the reads that decide whether the session was lost
        self.wrote |= bool(writes)

    def _ask(
        self, tab: AnyTab, method: str, path: str, ask: Callable[[], HttpAnswer | NoAnswer],
        writes: tuple[Write, ...] = (),
    ) -> Reply:  # fmt: skip
        session, read = self.session, None
        if session is not None:
            what = f"{method.upper()} {path}"
            read = session.ask(*writes, at_s=time.monotonic(), what=what, operation=self._operations + 1)
        try:
            answer = ask()
        except InputError:
            self._unanswered(session, read, "it could not be sent", sent=False)
            raise
        except BaseException:
            self._unanswered(session, read, "the load ended", sent=True)
            raise
        if self.logging_in and self._cookies_of_lost:
            self.led_away = away(answer) or self.led_away
        if isinstance(answer, NoAnswer) or answer.status >= 500:
            unsent = isinstance(answer, NoAnswer) and not answer.sent and not answer.hops
            reason = answer.reason if isinstance(answer, NoAnswer) else f"answered {answer.status}"
            self._unanswered(session, read, reason, sent=not unsent)
            self.unanswered = self.failed = True
            raise NoReply(reason)
        replica = self.context.attribution.replica(answer, self.cookies, tab.operation)
        self.failed = False
        reply = Reply(answer, replica, read, self.touch)
        self.last = self._read_last.reply = reply
        return reply

    @staticmethod
    def _unanswered(session: JourneySession | None, read: Read | None, reason: str, *, sent: bool) -> None:
        if session is not None and read is not None:
            session.unanswered(read, reason, time.monotonic(), sent=sent)

    @staticmethod
    def _answered(
        session: JourneySession | None, reply: Reply, outcome: WriteState, **more: Any
    ) -> tuple[Finding, ...]:
        if session is None or reply.read is None:
            return ()
        return session.answered(reply.read, reply.status, outcome, reply.replica, time.monotonic(), **more)

    def _recognises(self, session: JourneySession, reply: Reply, outcome: WriteState) -> bool:
        """Whether the answer knows the session; noted when it does."""
        if not self.knows(reply):
            return False
        if reply.status >= 400:
            self.context.load.recorder.refused()
        self._tell(self._answered(session, reply, outcome, knows=True))
        return True

    def knows(self, reply: Reply) -> bool:
        """What the journey says of an answer."""
        before = getattr(self._read_last, "reply", None)
        known = self._knows_me(reply)
        self._read_last.reply = before
        return bool(known)

    def _reload(self, session: JourneySession, tab: AnyTab, reply: Reply, again: HttpRequest | None) -> Reply:
        """The session is unknown: reload, as often as `max_reloads` allows."""
        page, forbidden = again or self._page, reply.status == FORBIDDEN
        while True:
            by_login = " by the login page" if self.login_pages.led_to(reply) else ""
            # 403 may be a refusal: where there is no page to see by, the next task will show it.
            told, last = f"answered {reply.status}{by_login}", page is None and reply.status != FORBIDDEN
            found = self._answered(session, reply, WriteState.UNKNOWN, knows=False, told=told, last=last)
            self._tell(found)
            if session.state is SessionState.LOST or page is None:
                raise TaskEnded
            reply = self._ask(tab, "GET", page.target, partial(tab.ask_again, page))
            if self._recognises(session, reply, _outcome(reply)):
                if forbidden:
                    self.context.load.recorder.refused()
                if again is None:
                    raise TaskEnded
                return reply

    # -- what the answers show

    def promise(self, name: str) -> Promise:
        """Of the current session. Raises TaskEnded where there is none any more."""
        if self.session is None:
            if self.context.logins or self.last is None:
                raise TaskEnded
            raise JourneyMistake(f"{name}: there is no session yet to promise anything")
        return self.session.promises[name]

    def became(self, name: str, who: Hashable) -> None:
        """The login said who the current session is."""
        self.promise(name)
        assert self.session is not None
        self.session.became(name, who)

    def shown(self, name: str, seen: object, answer: object | None) -> None:
        """Compare what an answer shows of a promise. Raises TaskEnded where the session was lost."""
        reply = answer if isinstance(answer, Reply) else getattr(self._read_last, "reply", None)
        session = self.session
        if session is None:
            raise TaskEnded
        if reply is None:
            raise JourneyMistake(f"{name}.shows: no answer came before it in this task")
        if reply.status >= 400 or reply.elsewhere:
            return
        if reply.read is None or reply.read not in session.objects.clock.reads:
            return  # it shows nothing, or is not this session's
        self.compared.add(name)
        if reply.method == "GET" and not reply.hops and not reply.read.own:
            self._page = reply.asked
        self._tell(session.compare(name, seen, reply.read, reply.replica, time.monotonic()))
        if session.state is SessionState.LOST:
            raise TaskEnded

    def expect(self, name: str, holds: bool, evidence: str) -> None:
        """An invariant of the journey's own about the last answer."""
        if self.session is not None:
            replica = self.last.replica if self.last is not None else NOBODY
            self._tell(self.session.expect(name, holds, evidence, replica))

    def settle(self) -> None:
        """No read can decide whether the session was lost: what is missing was rolled back."""
        if self.session is not None:
            replica = self.last.replica if self.last is not None else NOBODY
            self._tell(self.session.settle(replica, time.monotonic()))

    def touch(self, reply: Reply) -> None:
        """Its content was read: it is what `shows` compares."""
        self._read_last.reply = reply

    def _tell(self, findings: tuple[Finding, ...]) -> None:
        session = self.session
        assert session is not None
        if self.logging_in:
            self._found_at_login += findings
            return
        self.context.load.registry.settle(session)
        for finding in findings:
            self.context.load.found(finding)
        if session.state is SessionState.LOST:
            self.session = None
            self._cookies_of_lost = True
            self.hang_up()

    # -- tasks and sessions

    def begin_task(self, name: str) -> None:
        """From now on it is another task's."""
        self.compared, self.wrote, self.unanswered, self.failed = set(), False, False, False
        self.last = self._read_last.reply = None
        if self.session is not None:
            self.session.begin_task(name)

    def unreadable(self) -> None:
        """An answer of the current task was not what the task takes it for: it shows nothing."""
        self.unanswered = True
        self.context.load.recorder.refused()

    def end_task(self) -> None:
        """Its answers are compared no more."""
        if self.session is not None:
            self.session.objects.clock.reads.clear()

    def begin_session(self) -> None:
        """A login begins: what it is promised counts once it has worked."""
        context, planned, now_s = self.context, self._planned, time.monotonic()
        account = context.account(planned.index)
        objects = SessionObjects()
        known = context.load.registry.known_writes
        who = {each.name: each.who(account) for each in context.promises}
        promises = {
            each.name: each.terms.promise(
                each.name, objects.clock, owner=account.name, others=known, who=who[each.name]
            )
            for each in context.promises
        }
        for promise in promises.values():
            objects.hold(promise)
        self._found_at_login.clear()
        self.led_away = ""
        named = {name: value for name, value in who.items() if value is not None}
        self.session = JourneySession(
            planned.index,
            planned.user_id,
            objects,
            promises,
            home=NOBODY,
            started_s=now_s,
            max_reloads=context.load.config.max_reloads,
            history=context.history.session(planned.index, planned.user_id, account.name, named, now_s),
        )
        self.session.begin_task("log_in")

    def end_login(self, *, worked: bool) -> bool:
        """Whether the session stands."""
        session = self.session
        if session is None or not worked or session.state is SessionState.LOST:
            self.session = None
            return False
        self.logging_in = self._cookies_of_lost = False
        home = self.last.replica if self.last is not None else NOBODY
        self.context.load.registry.admit(session)
        session.admitted(home, time.monotonic())
        self._tell(tuple(replace(finding, session=session.session) for finding in self._found_at_login))
        return True

    def hang_up(self) -> None:
        """Close all WebSockets: what they tell next is what the service knows, and to whom."""
        for tab in self.tabs:
            tab.hang_up()

    def forget_cookies(self) -> None:
        """As a user does whom the service takes for logged in and does not know."""
        self.cookies.clear()
        self._cookies_of_lost = False

    def close(self) -> None:
        """Drop all connections."""
        for tab in self.tabs:
            tab.close()


def _outcome(reply: Reply) -> WriteState:
    """Of the writes that a request carried; a redirect to another origin says nothing of them."""
    if reply.elsewhere:
        return WriteState.UNKNOWN
    return WriteState.ACKNOWLEDGED if reply.status < 400 else WriteState.REFUSED
