"""One shopper of a journey from arrival to the end: logs in, does tasks, waits, logs in again when lost.

A journey's file sees the `Shopper` that it drives.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final, Protocol

from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopUser

from statefall.ledger.session import SessionState
from statefall.load.answers import UnreadableAnswer
from statefall.load.journey.context import JourneyContext, task_name
from statefall.load.journey.exchanges import Exchanges
from statefall.load.journey.replies import Reply, TaskEnded
from statefall.load.journey.tabs import AnyTab
from statefall.load.users import User
from statefall.load.virtual_user import AUDIT_TRIES, VirtualUser
from statefall.records.load import Shopper as PlannedShopper

LONGEST_THINK: Final = 10
"""Think times are truncated at so many times their mean."""
AFTER_A_MISTAKE_S: Final = 1.0
CHOICES: Final = 0x5DEECE66D
"""Makes the source of choices another one than the journey's own."""


class Actor(Protocol):
    """What a journey's file defines. `sign_up` and `audit` may be absent."""

    tasks: Any
    on_start_logs_in: bool

    def first_tab(self, exchanges: Exchanges) -> AnyTab: ...

    def on_start(self) -> None: ...

    def on_stop(self) -> None: ...

    def log_in(self) -> None: ...

    def knows_me(self, answer: Reply) -> bool: ...

    def wait_time(self) -> float: ...


class JourneyUser(VirtualUser):
    """One virtual user of a journey."""

    def __init__(self, context: JourneyContext, planned: PlannedShopper, actor: Any = None) -> None:
        """`actor`: an instance that Locust made; else one is made here."""
        super().__init__(planned)
        self.context = context
        self.account: User = context.account(planned.index)
        self.random = random.Random(planned.seed)
        self._choice = random.Random(planned.seed ^ CHOICES)
        self.actor: Any = context.kind(context.environment) if actor is None else actor
        self.actor.enter(self)
        self.exchanges = Exchanges(context, planned, self.actor.knows_me, self.actor.first_tab)
        self._signed_up = False

    @property
    def has_session(self) -> bool:
        """See `VirtualUser.has_session`."""
        return self.exchanges.session is not None

    def arrive(self) -> None:
        """See `VirtualUser.arrive`."""
        if not self.actor.on_start_logs_in:
            self._guarded(self.actor.on_start)

    def leave(self) -> None:
        """See `VirtualUser.leave`."""
        self._guarded(self.actor.on_stop)

    def close(self) -> None:
        """See `VirtualUser.close`."""
        self.exchanges.close()

    def think_s(self) -> float:
        """A think time of the load's: negative exponential, truncated."""
        mean = self.context.load.config.think_time_s
        return min(self._choice.expovariate(1 / mean), LONGEST_THINK * mean) if mean > 0 else 0.0

    def wait_s(self) -> float:
        """See `VirtualUser.wait_s`."""
        try:
            return max(0.0, float(self.actor.wait_time()))
        except Exception as error:  # noqa: BLE001 - it is told, as one of the journey's
            self.context.mistake("wait_time", error)
            return AFTER_A_MISTAKE_S

    def step(self) -> None:
        """See `VirtualUser.step`."""
        if self.exchanges.session is None:
            self._log_in()
        else:
            self._perform(self._choice.choice(self.actor.tasks))

    # -- the session

    def _log_in(self) -> None:
        sign_up = getattr(self.actor, "sign_up", None)
        if sign_up is not None and not self._signed_up:
            self.exchanges.begin_task("sign_up")
            self._signed_up = self._guarded(sign_up) and self._was_accepted("sign_up")
            if not self._signed_up:
                return
        worked = self._try_login()
        if not worked and self.exchanges.led_away:
            self.context.say(
                f"log_in: {self.exchanges.led_away} while the session is lost: cookies are dropped"
            )
            self.exchanges.forget_cookies()
            worked = self._try_login()
        self.exchanges.end_task()
        session = self.exchanges.session
        if not worked or session is None:
            return
        self.context.logins += 1
        self.context.load.recorder.logged_in()
        self.context.load.session_started(self.planned, session)

    def _try_login(self) -> bool:
        self.exchanges.begin_task("log_in")
        self.exchanges.begin_session()
        self.exchanges.logging_in = True
        try:
            worked = self._guarded(self.actor.log_in) and self._was_accepted("log_in")
            return self.exchanges.end_login(worked=worked)
        finally:
            self.exchanges.logging_in = False

    def _was_accepted(self, step: str) -> bool:
        """Whether the last answer of a step says that it worked. A step without requests works."""
        reply = self.exchanges.last
        if self.exchanges.failed:
            self.context.refused_login = f"{step}: the last request had no answer"
            return False
        if reply is None:
            return True
        if reply.status < 400 and self.exchanges.knows(reply):
            return True
        self.context.load.recorder.refused()
        self.context.refused_login = f"{step}: {reply.method} {reply.url} answered {reply.status}"
        return False

    def _perform(self, task: Any) -> None:
        """Do a task; where it leaves open whether the session was lost, read what decides."""
        self._run(task)
        session = self.exchanges.session
        if session is None or self.stopping:
            return
        if session.undecided:
            self._decide()
        elif session.state is SessionState.SUSPECT:
            self._read(session.holds, everything=True)

    def _decide(self) -> None:
        session = self.exchanges.session
        assert session is not None
        answered = self._read(session.undecided)
        if answered and self.exchanges.session is session and session.undecided:
            self.exchanges.settle()

    def awaits_audit(self) -> None:
        """See `VirtualUser.awaits_audit`."""
        if self.exchanges.session is not None:
            self.exchanges.session.awaits_audit()

    def audit(self) -> None:
        """See `VirtualUser.audit`."""
        self.exchanges.hang_up()
        for _ in range(AUDIT_TRIES):
            session = self.exchanges.session
            if session is None or self.stopping:
                break
            names = session.holds
            answered = self._read(names, everything=True)
            if answered and session.state is not SessionState.SUSPECT:
                if self.exchanges.session is session:
                    session.audited(names)
                break
            self.pause_before_retry()
        session = self.exchanges.session
        if session is not None and session.undecided:
            self.exchanges.settle()

    def _read(self, names: tuple[str, ...], *, everything: bool = False) -> bool:
        """Have these promises compared once more; whether all that was asked for it was answered."""
        session = self.exchanges.session
        own = getattr(self.actor, "audit", None)
        if own is not None:
            return self._run(own)
        if everything and not names:
            return self._be_recognised()
        wanted, answered = set(names), True
        for task in self.context.readers(names):
            if self.exchanges.session is not session or not wanted:
                break
            if wanted & self.context.tasks[task].compares:
                answered &= self._run(task)
                wanted -= self.exchanges.compared
        return answered

    def _be_recognised(self) -> bool:
        """For a session that was promised nothing: any answer that knows it decides."""
        if self._run(self.exchanges.reload_page):
            return True
        every = [each.name for each in self.context.promises]
        reading = [task for task in self.context.readers(every) if not self.context.tasks[task].writes]
        return not reading or self._run(reading[0])

    # -- tasks

    def _run(self, task: Any) -> bool:
        """Run a task of the journey; whether all that it asked was answered."""
        record, exchanges = self.context.record(getattr(task, "__func__", task)), self.exchanges
        exchanges.begin_task(task_name(task))
        record.began += 1
        bound = hasattr(task, "__self__")
        completed = self._guarded(task if bound else lambda: task(self.actor), task)
        record.completed += completed  # others have counted meanwhile
        record.compares |= exchanges.compared
        record.writes |= exchanges.wrote
        exchanges.end_task()
        return not exchanges.unanswered

    def _guarded(self, function: Callable[[], Any], named: Any = None) -> bool:
        """Run what the journey wrote; whether it came to its end. Its errors are told once each."""
        name = task_name(named or function)
        try:
            function()
        except StopUser:
            self.stop()
        except (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately):
            return True
        except TaskEnded:
            return False
        except UnreadableAnswer as error:
            # It may be the journey that is wrong: where it never comes to its end, that is told.
            self.exchanges.unreadable()
            self._note(named, str(error))
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the journey's, and told
            reply = self.exchanges.last
            if self.exchanges.led_away and self.exchanges.logging_in:
                return False  # it is tried again as a new user
            if self.exchanges.unanswered:
                self._note(named, f"a request had no answer, then {type(error).__name__}: {error}")
            elif reply is not None and reply.status >= 400:
                # Such an answer shows nothing, and the code that trips over it is not to blame.
                trouble = f"{reply.method} {reply.url} answered {reply.status}, then {type(error).__name__}"
                self._note(named, f"{trouble}: {error}")
            else:
                self.context.mistake(name, error)
            return False
        return True

    def _note(self, task: Any, trouble: str) -> None:
        if task is not None:
            self.context.record(getattr(task, "__func__", task)).trouble = trouble
