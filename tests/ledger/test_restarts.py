"""A session that was made anew in silence shows the end of its own writes, and nothing before."""

from __future__ import annotations

import pytest

from statefall.ledger.journey_session import JourneySession
from statefall.ledger.kinds.counter import CounterPromise
from statefall.ledger.kinds.log import LogPromise
from statefall.ledger.kinds.objects import SessionObjects
from statefall.ledger.kinds.promise import Promise, Write, WriteState
from statefall.ledger.kinds.register import RegisterPromise
from statefall.ledger.session import SessionState
from statefall.records.events import Replica
from statefall.records.verdicts import Verdict

HERE = Replica("pod-1", "")


class Bench:
    """A session with a cart, a name and a log."""

    def __init__(self) -> None:
        objects = SessionObjects()
        self.cart = CounterPromise("cart", objects.clock)
        self.name = RegisterPromise("name", objects.clock)
        self.log = LogPromise("log", objects.clock)
        promises: dict[str, Promise] = {each.name: each for each in (self.cart, self.name, self.log)}
        for promise in promises.values():
            objects.hold(promise)
        self.session = JourneySession(0, 1, objects, promises, HERE, started_s=0.0, max_reloads=1)

    def write(self, *writes: Write, outcome: WriteState = WriteState.ACKNOWLEDGED) -> None:
        for write in writes:
            self.answer(write, outcome=outcome)
        self.session.begin_task("next")

    def answer(self, *writes: Write, outcome: WriteState = WriteState.ACKNOWLEDGED) -> None:
        read = self.session.ask(*writes, at_s=1.0)
        self.session.answered(read, 200, outcome, HERE, 1.0, knows=True)

    def shows(self, name: str, seen: object) -> list[Verdict]:
        read = self.session.objects.begin_read()
        found = self.session.compare(name, seen, read, HERE, 1.0)
        self.session.objects.clock.reads.clear()
        return [finding.verdict for finding in found]


def test_only_what_was_written_since_is_a_lost_session() -> None:
    bench = Bench()
    bench.write(bench.cart.add("a"), bench.cart.add("b"), bench.cart.add("c", 2))
    assert bench.shows("cart", {"a": 1, "b": 1, "c": 2}) == []
    bench.write(bench.cart.add("d"), bench.cart.add("a"))
    assert bench.shows("cart", {"d": 1, "a": 1}) == [Verdict.LOST]
    assert bench.session.state is SessionState.LOST


def test_a_hole_in_the_middle_is_rolled_back() -> None:
    bench = Bench()
    bench.write(bench.cart.add("a"), bench.cart.add("b"), bench.cart.add("c"))
    assert bench.shows("cart", {"a": 1, "c": 1}) == [Verdict.ROLLED_BACK]
    assert bench.session.state is SessionState.LIVE


def test_another_promise_that_is_intact_speaks_against_it() -> None:
    bench = Bench()
    bench.write(bench.name.set("x"), bench.cart.add("a"), bench.cart.add("b"))
    assert bench.shows("cart", {"b": 1}) == []
    assert bench.session.undecided == ("name",)
    assert bench.shows("name", "x") == [Verdict.ROLLED_BACK]


def test_a_value_that_was_written_since_is_no_sign_of_life() -> None:
    bench = Bench()
    bench.write(bench.name.set("x"), bench.cart.add("a"), bench.name.set("y"))
    assert bench.shows("cart", {}) == []
    assert bench.shows("name", "y") == [Verdict.LOST]


def test_what_was_seen_after_the_last_write_cannot_have_been_lost_before_it() -> None:
    bench = Bench()
    bench.write(bench.name.set("x"), bench.cart.add("a"), bench.name.set("y"))
    assert bench.shows("cart", {"a": 1}) == []
    assert bench.shows("cart", {}) == []
    assert bench.shows("name", "y") == [Verdict.ROLLED_BACK]


def test_what_lives_on_with_a_part_missing_is_not_lost_later() -> None:
    bench = Bench()
    bench.write(bench.name.set("x"), bench.cart.add("a"))
    assert bench.shows("cart", {}) == []
    assert bench.shows("name", "x") == [Verdict.ROLLED_BACK]
    bench.write(bench.cart.add("b"), bench.name.set("y"))
    assert bench.shows("cart", {"b": 1}) == []
    assert bench.shows("name", "y") == []
    assert bench.session.state is SessionState.LIVE


def test_another_promise_that_is_gone_too_confirms_it() -> None:
    bench = Bench()
    bench.write(bench.name.set("x"), bench.cart.add("a"), bench.cart.add("b"))
    assert bench.shows("cart", {"b": 1}) == []
    assert bench.shows("name", None) == [Verdict.LOST]


def test_another_promise_written_since_confirms_it() -> None:
    bench = Bench()
    bench.write(bench.log.append("1"), bench.cart.add("a"), bench.cart.add("b"), bench.log.append("2"))
    assert bench.shows("cart", {"b": 1}) == []
    assert bench.shows("log", ["2"]) == [Verdict.LOST]


@pytest.mark.parametrize("outcome", [WriteState.UNKNOWN, WriteState.REFUSED])
def test_open_and_refused_writes_never_make_a_loss(outcome: WriteState) -> None:
    bench = Bench()
    bench.write(bench.cart.add("a"))
    bench.write(bench.cart.add("a", -1), outcome=outcome)
    bench.write(bench.cart.add("a"))
    assert bench.shows("cart", {"a": 2 if outcome is WriteState.REFUSED else 1}) == []


def test_a_session_is_decided_once_all_that_it_holds_was_seen_since_the_mark() -> None:
    bench = Bench()
    bench.write(bench.name.set("x"), bench.cart.add("a"))
    bench.answer()
    bench.session.mark()
    bench.answer()
    assert bench.shows("cart", {"a": 1}) == []
    assert bench.session.verdict.value == "indeterminate"
    assert bench.shows("name", "x") == []
    assert bench.session.verdict.value == "kept"
