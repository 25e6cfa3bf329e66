"""All load processes together: what the conductor's calls do to them, and what they report.

A member is the engine of this very process or a worker behind Locust's messages; the crew treats
both alike. A worker that does not answer is a fault of the generator: it is named, and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol

import gevent
from gevent.lock import RLock

from foundation.clock import Clock, Instant
from foundation.errors import StatefallError
from foundation.events import Event
from foundation.verdicts import LoadResult
from loadtests.channel import load_result
from loadtests.config import LoadConfig
from loadtests.engine import Report
from loadtests.merge import PATIENCE_TICKS, TickMerger, merge_marks, merge_results
from loadtests.recorder import FIRST_PHASE

CALL_LIMIT_S: Final = 5.0
LONG_CALL_LIMIT_S: Final = 28.0


class MemberLost(StatefallError):
    """A load process did not answer."""


class Member(Protocol):
    """One load process."""

    name: str
    offset_s: float
    """What to add to a moment of its clock to have it on the crew's."""

    def call(self, what: str, argument: Any, timeout_s: float) -> Any:
        """Have its engine do something. Raises MemberLost."""

    def abandon(self, reason: str) -> None:
        """It is lost: calls that wait for it fail now, and it should end if it still can."""


class Crew:
    """The load processes of one cell. Calls come from the control API, reports from the members."""

    def __init__(self, clock: Clock, expected: int) -> None:
        self._clock = clock
        self._expected = expected
        self._members: list[Member] = []
        self._events: list[Event] = []
        self._faults: list[str] = []
        self._ticks: TickMerger | None = None
        self._begun: Instant | None = None
        self._result: LoadResult | None = None
        self._phase = FIRST_PHASE
        self._one_at_a_time = RLock()
        self.on_start: Callable[[], None] = lambda: None
        self.on_finish: Callable[[], None] = lambda: None

    @property
    def ready(self) -> bool:
        """Whether all members are here."""
        return self._begun is not None or len(self._members) >= self._expected

    @property
    def size(self) -> int:
        """How many members are here."""
        return len(self._members)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the members."""
        return tuple(member.name for member in self._members)

    @property
    def phase_name(self) -> str:
        """The phase that requests belong to now."""
        return self._phase

    @property
    def finished(self) -> bool:
        """Whether the books are closed."""
        return self._result is not None

    def join(self, member: Member) -> bool:
        """A process is ready; False when it is one too many, or too late."""
        if self.ready:
            return False
        self._members.append(member)
        return True

    def lose(self, name: str, reason: str) -> None:
        """A process is gone. Before the start another may take its place; later it is a fault."""
        member = next((member for member in self._members if member.name == name), None)
        if member is None or self._result is not None:
            return
        self._members.remove(member)
        member.abandon(reason)
        if self._begun is not None:
            self.fault(f"load worker {name} was lost: {reason}")
        if self._ticks is not None:
            self._events += self._ticks.drop(name)

    def fault(self, words: str) -> None:
        """Something went wrong with the load itself."""
        if words not in self._faults:
            self._faults.append(words)

    def start(self, config: LoadConfig) -> Instant:
        """Deal the shoppers out and let them arrive. A second call changes nothing."""
        with self._one_at_a_time:
            if self._begun is None:
                self._begun = self._clock()
                for place, member in enumerate(tuple(self._members)):
                    share = config.shoppers[place :: len(self._members)]
                    self._ask(member, "assign", replace(config, shoppers=share).to_json().decode())
                    self._ask(member, "phase", self._phase)
                self._ticks = TickMerger(member.name for member in self._members)
                self._begun = self._clock()
                self.on_start()
                for member in tuple(self._members):
                    self._ask(member, "start", self._begun.monotonic_s - member.offset_s)
            return self._begun

    def phase(self, name: str) -> None:
        """All requests from now on belong to this phase."""
        self._phase = name
        self._ask_all("phase", name)

    def mark(self) -> dict[str, Any]:
        """The live sessions now; each process counts its own at one moment."""
        return merge_marks(answer for _, answer in self._ask_all("mark"))

    def audit(self) -> None:
        """Have every live session read once more."""
        self._ask_all("audit", limit_s=LONG_CALL_LIMIT_S)

    def finish(self) -> LoadResult:
        """Stop all shoppers and merge the books. A second call returns the same."""
        with self._one_at_a_time:
            if self._result is None:
                answers = self._ask_all("finish", limit_s=LONG_CALL_LIMIT_S)
                if self._ticks is not None:
                    self._events += self._ticks.flush()
                results = [load_result(document, member.offset_s) for member, document in answers]
                self._result = merge_results(results, self._faults)
                self.on_finish()
            return self._result

    def events(self, after: int) -> tuple[list[Event], int]:
        """The events from the given place on, and the place after the last."""
        return self._events[after:], len(self._events)

    def receive(self, name: str, report: Report) -> None:
        """Take in what a member has to tell, on the crew's clock."""
        member = next((member for member in self._members if member.name == name), None)
        if member is None:
            return
        for record in report["events"]:
            record["monotonic_s"] += member.offset_s
            if "home" in record:
                record["home"]["since_s"] += member.offset_s
            self._events.append(record)
        tick = report["tick"]
        if tick is not None and self._ticks is not None:
            tick["monotonic_s"] += member.offset_s
            if self._ticks.late(tick):
                self.fault(
                    f"load worker {name} reported too late: {PATIENCE_TICKS} ticks or more behind the others"
                )
            self._events += self._ticks.add(name, tick)

    def _ask_all(
        self, what: str, argument: Any = None, limit_s: float = CALL_LIMIT_S
    ) -> list[tuple[Member, Any]]:
        """What each member answered; nothing before the start, when none has shoppers."""
        if self._begun is None:
            return []
        if len(self._members) == 1:
            # Called straight, so that nothing else can happen in between in a process of its own.
            answers = [(self._members[0], self._ask(self._members[0], what, argument, limit_s))]
        else:
            asked = [(m, gevent.spawn(self._ask, m, what, argument, limit_s)) for m in tuple(self._members)]
            gevent.joinall([greenlet for _, greenlet in asked], raise_error=True)
            answers = [(member, greenlet.value) for member, greenlet in asked]
        return [(member, answer) for member, answer in answers if answer is not None]

    def _ask(self, member: Member, what: str, argument: Any, limit_s: float = CALL_LIMIT_S) -> Any:
        try:
            return member.call(what, argument, limit_s)
        except MemberLost as error:
            self.lose(member.name, str(error))
            return None
