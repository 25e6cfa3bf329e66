"""Every planted defect is named for what it is, in words that say how it was seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from statefall.ledger.kinds.counter import CounterPromise
from statefall.ledger.kinds.elements import SetPromise
from statefall.ledger.kinds.known_writes import KnownWrites
from statefall.ledger.kinds.log import LogPromise
from statefall.ledger.kinds.objects import SessionObjects
from statefall.ledger.kinds.promise import Clock, Promise
from statefall.ledger.kinds.register import RegisterPromise
from statefall.records.verdicts import Verdict
from tests.ledger.kinds import defects
from tests.ledger.kinds.defects import DEFECTS, Found, cart, done, name, talk, unanswered, wishes


@pytest.mark.parametrize(("defect", "verdict"), DEFECTS.items(), ids=[d.__name__ for d in DEFECTS])
def test_a_planted_defect_is_named(defect: Callable[[], Found], verdict: Verdict) -> None:
    assert [deviation.verdict for deviation in defect()] == [verdict]


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        (defects.product_out_of_nowhere, "cart: shows 1 of 7, which this session never wrote"),
        (defects.refused_add_applied, "cart: shows 4 of 8, which was refused"),
        (defects.anothers_product, "cart: shows 1 of 7, which session B wrote"),
        (defects.anothers_cart, "cart: shows exactly what session E holds"),
        (defects.name_stale, "name: shows 'old' instead of 'new': an older value"),
        (defects.name_flaps, "name: shows 'new' came back"),
        (defects.a_wish_missing, "wishes: lacks 'tea'"),
        (defects.a_wish_removed_and_back, "wishes: shows 'hat', which was removed"),
        (defects.text_back_in_the_window, "talk: 'a' had left the window and came back"),
        (defects.total_is_wrong, "the total is the sum of the lines does not hold: 10 is not 11"),
    ],
)
def test_the_evidence_says_what_was_shown(defect: Callable[[], Found], words: str) -> None:
    assert [deviation.evidence for deviation in defect()] == [words]


@pytest.mark.parametrize(
    ("promise", "wrong"),
    [(cart, {5: 2}), (cart, {}), (cart, {5: 4, 9: 1}), (name, "old"), (name, None), (wishes, ["tea"]),
     (talk, "abcd"), (talk, "abdce"), (talk, "abcdee"), (lambda: talk(3), "bcd"), (talk, "abcde?")],
)  # fmt: skip
def test_a_deviation_is_told_once_and_the_promise_stands(
    promise: Callable[[], Promise], wrong: object
) -> None:
    held = promise()
    assert len(held.check(wrong)) == 1
    assert held.check(wrong) == []


def test_later_reads_are_held_to_what_should_be_there() -> None:
    held = cart()
    held.check({5: 2})
    done(held.add(5, 1))
    assert held.check({5: 3}) == []
    assert [d.verdict for d in held.check({5: 1})] == [Verdict.ROLLED_BACK]
    kept = talk()
    kept.check("abcd")
    done(kept.append("f"))
    assert kept.check("abcdf") == []
    assert [d.evidence for d in kept.check("abdf")] == ["talk: lacks 'c'"]


def test_what_goes_to_and_fro_is_told_when_it_goes_and_when_it_comes() -> None:
    held = cart()
    told = [len(held.check(seen)) for seen in ({5: 2}, {5: 2, 9: 1}, {5: 2, 9: 1})]
    assert told == [1, 1, 0]


def test_what_several_sessions_wrote_proves_nothing() -> None:
    known = KnownWrites()
    for owner in "BC":
        done(RegisterPromise("theme", owner=owner, others=known).set("dark"))
    mine = RegisterPromise("theme", owner="A", others=known)
    done(mine.set("light"))
    assert [d.verdict for d in mine.check("dark")] == [Verdict.ROLLED_BACK]


def test_a_second_writer_is_remembered_when_the_first_is_forgotten() -> None:
    known = KnownWrites(capacity=10)
    known.note("A", "theme", None, "dark")
    for number in range(100):
        known.note("B", "theme", None, number)
    assert len(known) == 10
    known.note("C", "theme", None, "dark")
    assert known.other_writer("D", "theme", None, "dark") is None


def test_both_futures_of_an_unknown_write_are_legal_until_one_was_seen() -> None:
    for seen in ({5: 2, 9: 1}, {5: 2, 9: 4}):
        held = cart()
        unanswered(held.add(9, 3))
        assert held.check(seen) == []


def test_a_read_may_show_what_became_open_while_it_was_under_way() -> None:
    for seen in ({5: 2, 9: 1}, {5: 3, 9: 1}):
        held = cart()
        read = held.clock.begin_read()
        done(held.add(5, 1))
        assert held.check(seen, read) == []


def test_a_write_that_is_begun_twice_is_a_mistake_of_the_caller() -> None:
    write = CounterPromise().add(1)
    write.begin()
    with pytest.raises(ValueError, match="sent once"):
        write.begin()


def test_objects_of_a_session_share_its_clock_and_have_names_of_their_own() -> None:
    objects = SessionObjects()
    objects.hold(SetPromise("a", objects.clock))
    with pytest.raises(ValueError, match="already"):
        objects.hold(LogPromise("a", objects.clock))
    with pytest.raises(ValueError, match="clock"):
        objects.hold(LogPromise("b", Clock()))


def test_hundreds_of_acknowledged_adds_leave_a_sum_behind() -> None:
    held = CounterPromise()
    for number in range(500):
        done(held.add(number % 3, 1 + number % 2))
        assert held.check(dict(held._sums)) == []
    assert held._snapshot()[1] == {}
    window = LogPromise(window=10)
    done(*(window.append(number) for number in range(500)))
    assert len(window._settled) == 10
