"""What an audit asks for decides; what is promised later leaves nothing open."""

from __future__ import annotations

from statefall.ledger.journey_session import JourneySession
from statefall.ledger.kinds.objects import SessionObjects
from statefall.ledger.kinds.promise import Promise, Write, WriteState
from statefall.ledger.kinds.register import RegisterPromise
from statefall.records.events import Replica
from statefall.records.verdicts import Verdict

HOME = Replica("shop-1", "")


def session(*names: str) -> JourneySession:
    objects = SessionObjects()
    promises: dict[str, Promise] = {name: RegisterPromise(name, objects.clock) for name in names}
    for promise in promises.values():
        objects.hold(promise)
    return JourneySession(1, 101, objects, promises, home=HOME, started_s=0.0, max_reloads=1)


def promise(held: JourneySession, name: str, value: str) -> None:
    """A write that is acknowledged."""
    register = held.promises[name]
    assert isinstance(register, RegisterPromise)
    write: Write = register.set(value)
    read = held.ask(write, at_s=1.0)
    held.answered(read, 200, WriteState.ACKNOWLEDGED, HOME, 1.0, knows=True)


def show(held: JourneySession, name: str, value: str) -> None:
    """A read that shows it."""
    read = held.ask(at_s=2.0)
    held.answered(read, 200, WriteState.ACKNOWLEDGED, HOME, 2.0, knows=True)
    held.compare(name, value, read, HOME, 2.0)


def test_a_first_promise_after_the_audit_leaves_nothing_undecided() -> None:
    held = session("title", "mood")
    promise(held, "title", "a")
    held.mark()
    show(held, "title", "a")
    held.audited(("title",))
    assert held.verdict is Verdict.KEPT
    promise(held, "mood", "b")
    assert held.verdict is Verdict.KEPT


def test_a_promise_that_the_audit_did_not_see_leaves_it_undecided() -> None:
    held = session("title", "mood")
    promise(held, "title", "a")
    promise(held, "mood", "b")
    held.mark()
    show(held, "title", "a")
    assert held.verdict is Verdict.INDETERMINATE
    held.audited(("title", "mood"))
    assert held.verdict is Verdict.INDETERMINATE


def test_another_mark_asks_anew() -> None:
    held = session("title", "mood")
    promise(held, "title", "a")
    held.mark()
    show(held, "title", "a")
    held.audited(("title",))
    promise(held, "mood", "b")
    held.mark()
    show(held, "title", "a")
    assert held.verdict is Verdict.INDETERMINATE


def test_an_audit_that_is_due_and_never_made_leaves_it_undecided() -> None:
    held = session("title")
    promise(held, "title", "a")
    held.mark()
    show(held, "title", "a")
    verdicts = [held.verdict]
    held.awaits_audit()
    show(held, "title", "a")
    verdicts.append(held.verdict)
    held.audited(("title",))
    verdicts.append(held.verdict)
    assert verdicts == [Verdict.KEPT, Verdict.INDETERMINATE, Verdict.KEPT]
