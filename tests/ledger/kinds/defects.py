"""Planted defects over all kinds: each is a small function that writes, misreads, and says the verdict.

A defect gets a table where objects are made, lets an honest part happen, and returns what the checks
of the dishonest part said.
"""

from __future__ import annotations

from collections.abc import Callable

from statefall.ledger.deviation import Deviation
from statefall.ledger.kinds.counter import CounterPromise
from statefall.ledger.kinds.elements import SetPromise
from statefall.ledger.kinds.identity import IdentityPromise
from statefall.ledger.kinds.invariant import Invariant
from statefall.ledger.kinds.known_writes import KnownWrites
from statefall.ledger.kinds.log import LogPromise
from statefall.ledger.kinds.objects import SessionObjects
from statefall.ledger.kinds.promise import Write
from statefall.ledger.kinds.register import RegisterPromise, RegistersPromise
from statefall.records.verdicts import Verdict

LOST, OLD, TWICE, FOREIGN = Verdict.LOST, Verdict.ROLLED_BACK, Verdict.DUPLICATED, Verdict.FOREIGN
Found = list[Deviation]


def done(*writes: Write) -> None:
    """Each was sent and acknowledged."""
    for write in writes:
        write.begin()
        write.acknowledge()


def unanswered(write: Write) -> Write:
    write.begin()
    write.leave_open()
    return write


def cart(**options: object) -> CounterPromise:
    """Two of 5 and one of 9."""
    promise = CounterPromise("cart", **options)  # type: ignore[arg-type]
    done(promise.add(5, 2), promise.add(9, 1))
    assert promise.check({5: 2, 9: 1}) == []
    return promise


def cart_emptied() -> Found:
    return cart().check({})


def cart_lacks_a_product() -> Found:
    return cart().check({5: 2})


def cart_lacks_a_piece() -> Found:
    return cart().check({5: 1, 9: 1})


def acknowledged_add_dropped_in_silence() -> Found:
    promise = cart()
    done(promise.add(7, 1))
    return promise.check({5: 2, 9: 1})


def add_applied_twice() -> Found:
    return cart().check({5: 4, 9: 1})


def late_add_applied_twice() -> Found:
    promise = cart()
    unanswered(promise.add(9, 3))
    assert promise.check({5: 2, 9: 4}) == []
    return promise.check({5: 2, 9: 7})


def late_add_seen_and_gone() -> Found:
    promise = cart()
    unanswered(promise.add(9, 3))
    assert promise.check({5: 2, 9: 4}) == []
    return promise.check({5: 2, 9: 1})


def lost_update_of_two_tabs() -> Found:
    promise = cart()
    one, other = promise.add(5, 1), promise.add(5, 1)
    for write in (one, other):
        write.begin()
    for write in (one, other):
        write.acknowledge()
    return promise.check({5: 3, 9: 1})


def tab_goes_back() -> Found:
    """Seen by a read that had ended, not seen by one that began later."""
    promise = cart()
    write = promise.add(5, 1)
    write.begin()
    first = promise.clock.begin_read()
    assert promise.check({5: 3, 9: 1}, first) == []
    promise.clock.end_read(first)
    return promise.check({5: 2, 9: 1}, promise.clock.begin_read())


def answer_to_a_write_without_it() -> Found:
    promise = cart()
    write = promise.add(5, 1)
    write.begin()
    read = promise.clock.begin_read(write)
    write.acknowledge()
    return promise.check({5: 2, 9: 1}, read)


def refused_add_applied() -> Found:
    promise = cart()
    write = promise.add(8, 4)
    write.begin()
    write.refuse()
    return promise.check({5: 2, 9: 1, 8: 4})


def product_out_of_nowhere() -> Found:
    return cart().check({5: 2, 9: 1, 7: 1})


def anothers_product() -> Found:
    known = KnownWrites()
    done(RegistersPromise("note", owner="B", others=known).write(1, "x"))
    promise = cart(owner="A", others=known)
    done(CounterPromise("cart", owner="B", others=known).add(7, 1))
    return promise.check({5: 2, 9: 1, 7: 1})


def anothers_cart() -> Found:
    """Each product is in many carts; the whole is in one."""
    known = KnownWrites()
    for owner in "BCD":
        done(*(CounterPromise("cart", owner=owner, others=known).add(key, 1) for key in (1, 2, 3)))
    theirs = CounterPromise("cart", owner="E", others=known)
    done(*(theirs.add(key, 1) for key in (1, 2, 3)))
    return cart(owner="A", others=known).check({1: 1, 2: 1, 3: 1})


def what_is_left_of_the_cart_looks_like_anothers() -> Found:
    """Small carts are alike by chance: what this session added itself proves nobody's leak."""
    known = KnownWrites()
    done(CounterPromise("cart", owner="B", others=known).add(9, 1))
    return cart(owner="A", others=known).check({9: 1})


def cart_flaps() -> Found:
    promise = cart()
    assert [d.verdict for d in promise.check({5: 2})] == [OLD]
    assert promise.check({5: 2}) == []
    return promise.check({5: 2, 9: 1})


def subtraction_forgotten() -> Found:
    promise = CounterPromise("balance")
    done(promise.add(None, 500), promise.add(None, -120))
    return promise.check({None: 500})


def subtraction_applied_twice() -> Found:
    promise = CounterPromise("balance")
    done(promise.add(None, 500), promise.add(None, -120))
    return promise.check({None: 260})


def name() -> RegisterPromise:
    promise = RegisterPromise("name")
    done(promise.set("old"), promise.set("new"))
    assert promise.check("new") == []
    return promise


def name_gone() -> Found:
    return name().check(None)


def name_stale() -> Found:
    return name().check("old")


def name_flaps() -> Found:
    promise = name()
    promise.check("old")
    return promise.check("new")


def name_never_written() -> Found:
    return name().check("who?")


def name_refused_and_shown() -> Found:
    promise = name()
    write = promise.set("bad")
    write.begin()
    write.refuse()
    return promise.check("bad")


def name_of_another() -> Found:
    known = KnownWrites()
    done(RegisterPromise("name", owner="B", others=known).set("Berta"))
    promise = RegisterPromise("name", owner="A", others=known)
    done(promise.set("Anna"))
    return promise.check("Berta")


def name_of_another_at_first_sight() -> Found:
    known = KnownWrites()
    done(RegisterPromise("name", owner="B", others=known).set("Berta"))
    return RegisterPromise("name", owner="A", others=known).check("Berta")


def late_value_comes_again() -> Found:
    promise = name()
    unanswered(promise.set("late"))
    assert promise.check("late") == []
    done(promise.set("newer"))
    return promise.check("late")


def settings() -> RegistersPromise:
    promise = RegistersPromise("settings", initial={"theme": "light", "language": "en"})
    done(promise.write("theme", "dark"), promise.write("zone", "utc"))
    assert promise.check({"theme": "dark", "language": "en", "zone": "utc"}) == []
    return promise


def settings_reset() -> Found:
    return settings().check({"theme": "light", "language": "en"})


def one_setting_reset() -> Found:
    return settings().check({"theme": "light", "language": "en", "zone": "utc"})


def wishes() -> SetPromise:
    promise = SetPromise("wishes")
    done(promise.add("boat"), promise.add("hat"), promise.add("tea"), promise.remove("hat"))
    assert promise.check(["tea", "boat"]) == []
    return promise


def wishes_gone() -> Found:
    return wishes().check([])


def a_wish_missing() -> Found:
    return wishes().check(["boat"])


def a_wish_removed_and_back() -> Found:
    return wishes().check(["boat", "hat", "tea"])


def a_wish_twice() -> Found:
    return wishes().check(["boat", "tea", "tea"])


def a_wish_of_another() -> Found:
    known = KnownWrites()
    done(SetPromise("wishes", owner="B", others=known).add("castle"))
    promise = SetPromise("wishes", owner="A", others=known)
    done(promise.add("boat"))
    return promise.check(["boat", "castle"])


def talk(window: int | None = None, **options: object) -> LogPromise:
    promise = LogPromise("talk", window=window, **options)  # type: ignore[arg-type]
    done(*(promise.append(text) for text in "abcde"))
    assert promise.check("abcde"[-(window or 5) :]) == []
    return promise


def talk_gone() -> Found:
    return talk().check("")


def talk_without_its_last() -> Found:
    return talk().check("abcd")


def talk_with_a_hole() -> Found:
    return talk().check("abde")


def talk_reordered() -> Found:
    return talk().check("abdce")


def talk_doubled() -> Found:
    return talk().check("abcdee")


def old_window() -> Found:
    return talk(3).check("bcd")


def short_window() -> Found:
    return talk(3).check("de")


def text_back_in_the_window() -> Found:
    return talk(3).check("dea")


def late_append_before_what_it_followed() -> Found:
    promise = talk()
    unanswered(promise.append("x"))
    return promise.check("abxcde")


def talk_flaps() -> Found:
    promise = talk()
    promise.check("abcd")
    return promise.check("abcde")


def words_of_another() -> Found:
    known = KnownWrites()
    done(LogPromise("talk", owner="B", others=known).append("secret"))
    return talk(owner="A", others=known).check([*"abcde", "secret"])


def words_of_nobody() -> Found:
    return talk().check([*"abcde", "???"])


def answered_as_another() -> Found:
    return IdentityPromise(who="anna").check("berta")


def answered_as_nobody() -> Found:
    return IdentityPromise(who="anna").check(None)


def total_is_wrong() -> Found:
    return Invariant("the total is the sum of the lines").check(sum([4, 6]) == 11, "10 is not 11")


def shop() -> tuple[SessionObjects, CounterPromise, RegisterPromise, IdentityPromise]:
    objects = SessionObjects()
    basket, title = CounterPromise("cart", objects.clock), RegisterPromise("name", objects.clock)
    who = IdentityPromise("who", objects.clock, who="anna")
    for promise in (basket, title, who):
        objects.hold(promise)
    done(basket.add(1), title.set("Anna"))
    return objects, basket, title, who


def whole_session_gone() -> Found:
    return shop()[0].check({"cart": {}, "name": None, "who": None})


def session_gone_as_three_reads_show() -> Found:
    objects = shop()[0]
    assert objects.check({"cart": {}}) == []
    assert objects.check({"name": None}) == []
    return objects.check({"who": ""})


def cart_forgotten_and_login_kept() -> Found:
    objects = shop()[0]
    assert objects.check({"cart": {}}) == []
    assert objects.undecided == ("name", "who")
    return objects.check({"who": "anna"})


def cart_forgotten_and_nothing_read_since() -> Found:
    objects = shop()[0]
    assert objects.check({"cart": {}}) == []
    return objects.settle()


def cart_back_before_anything_else_was_read() -> Found:
    objects = shop()[0]
    assert objects.check({"cart": {}}) == []
    return objects.check({"cart": {1: 1}})


DEFECTS: dict[Callable[[], Found], Verdict] = {
    cart_emptied: LOST,
    cart_lacks_a_product: OLD,
    cart_lacks_a_piece: OLD,
    acknowledged_add_dropped_in_silence: OLD,
    add_applied_twice: TWICE,
    late_add_applied_twice: TWICE,
    late_add_seen_and_gone: OLD,
    lost_update_of_two_tabs: OLD,
    tab_goes_back: OLD,
    answer_to_a_write_without_it: OLD,
    refused_add_applied: OLD,
    product_out_of_nowhere: OLD,
    anothers_product: FOREIGN,
    anothers_cart: FOREIGN,
    what_is_left_of_the_cart_looks_like_anothers: OLD,
    cart_flaps: OLD,
    subtraction_forgotten: OLD,
    subtraction_applied_twice: TWICE,
    name_gone: LOST,
    name_stale: OLD,
    name_flaps: OLD,
    name_never_written: OLD,
    name_refused_and_shown: OLD,
    name_of_another: FOREIGN,
    name_of_another_at_first_sight: FOREIGN,
    late_value_comes_again: OLD,
    settings_reset: LOST,
    one_setting_reset: OLD,
    wishes_gone: LOST,
    a_wish_missing: OLD,
    a_wish_removed_and_back: OLD,
    a_wish_twice: TWICE,
    a_wish_of_another: FOREIGN,
    talk_gone: LOST,
    talk_without_its_last: OLD,
    talk_with_a_hole: OLD,
    talk_reordered: OLD,
    talk_doubled: TWICE,
    old_window: OLD,
    short_window: OLD,
    text_back_in_the_window: TWICE,
    late_append_before_what_it_followed: OLD,
    talk_flaps: OLD,
    words_of_another: FOREIGN,
    words_of_nobody: OLD,
    answered_as_another: FOREIGN,
    answered_as_nobody: LOST,
    total_is_wrong: OLD,
    whole_session_gone: LOST,
    session_gone_as_three_reads_show: LOST,
    cart_forgotten_and_login_kept: OLD,
    cart_forgotten_and_nothing_read_since: OLD,
    cart_back_before_anything_else_was_read: OLD,
}
