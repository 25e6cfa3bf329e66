"""Planted defects of services, stores, balancers and clients, and what each must be called.

Each is a small function that is asked before every request of a session. `CORPUS` says which verdict and
which words of evidence must come; docs/trust.md has it as a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from statefall.load.answers import NoAnswer
from statefall.load.wire import Response
from statefall.records.verdicts import Verdict
from tests.corpus.world import CUT, LATE, UNSENT, WINDOW, Call, Defect

LOST, OLD, TWICE = Verdict.LOST, Verdict.ROLLED_BACK, Verdict.DUPLICATED
FOREIGN, ASTRAY = Verdict.FOREIGN, Verdict.MISROUTED
Answered = Response | NoAnswer | None

# -- whole sessions


def forgets_in_silence(call: Call) -> Answered:
    """The session is a new one from now on, without a word."""
    if call.once(fit=call.state.full and not call.writes):
        call.state.emptied()
    return None


def forgets_and_takes_the_next_write(call: Call) -> Answered:
    """What is shown from now on is only what was written since."""
    if call.once(fit=call.state.full and call.writes and "remove" not in call.form, odds=1):
        call.state.emptied()
    return None


def unknown_from_now_on(call: Call) -> Answered:
    """401, as a replica says that lost its memory."""
    if call.once(fit=call.state.full):
        del call.shop.sessions[call.sid]
        return call.says({"error": "who?"}, 401)
    return None


def forbidden_from_now_on(call: Call) -> Answered:
    """403 instead of 401."""
    if call.state.name in call.shop.hit or call.once(fit=call.state.full):
        return call.says({"error": "no"}, 403)
    return None


def sent_to_the_login_page(call: Call) -> Answered:
    """302 to where one logs in, as server-side frameworks do."""
    if call.path == "/sign-in":
        return call.page("<form action=/sign-in><input name=user></form>")
    if call.state.name in call.shop.hit or call.once(fit=call.state.full):
        return call.says({}, 302, location="/sign-in?next=/account")
    return None


def sent_to_another_page_to_log_in(call: Call) -> Answered:
    """303 to a page of welcome, which leads to another one to log in at."""
    if call.path == "/welcome":
        return call.says({}, 303, location="/account/signin")
    if call.path == "/account/signin":
        return call.page("<form action=/login><input name=user></form>")
    if call.state.name in call.shop.hit or call.once(fit=call.state.full):
        return call.says({}, 303, location="/welcome")
    return None


def another_cookie_in_silence(call: Call) -> Answered:
    """A session of nobody under another id."""
    if call.once(fit=call.state.full and not call.writes):
        call.state.emptied()
        call.shop.sessions["fresh" + call.sid] = call.shop.sessions.pop(call.sid)
        call.sid = "fresh" + call.sid
    return None


def store_flushed(call: Call) -> Answered:
    """All sessions at once."""
    shop = call.shop
    full = sum(state.full for state in shop.sessions.values())
    if not shop.struck and full > 1 and call.one_in(1):
        shop.hit |= {state.name for state in shop.sessions.values()}
        shop.sessions.clear()
        return call.says({"error": "who?"}, 401)
    return None


# -- parts of a session, and older ones


def half_lost(call: Call) -> Answered:
    """One of two stores is gone: cart and talk, not name and wishes."""
    if call.once(fit=call.state.full):
        call.state.cart, call.state.talk = {}, []
    return None


def drops_an_add(call: Call) -> Answered:
    if call.once(fit=call.writes and call.path == "/cart"):
        return call.says({"done": True})
    return None


def drops_a_name(call: Call) -> Answered:
    if call.once(fit=call.writes and call.path == "/name"):
        return call.says({"done": True})
    return None


def drops_a_wish(call: Call) -> Answered:
    if call.once(fit=call.writes and "add" in call.form):
        return call.says({"done": True})
    return None


def drops_a_line_of_the_talk(call: Call) -> Answered:
    if call.once(fit=call.writes and call.path == "/talk", odds=1):
        return call.says({"done": True})
    return None


def stale_cart(call: Call) -> Answered:
    """One read from a copy that lags behind."""
    older = call.older("cart")
    if older is not None and call.once(fit=call.path == "/cart" and not call.writes):
        return call.says(call.shown(older))
    return None


def stale_name(call: Call) -> Answered:
    older = call.older("title")
    if older is not None and call.once(fit=call.path in ("/name", "/account") and not call.writes, odds=1):
        return call.says({**call.shown(), "name": older.title})
    return None


def flapping(call: Call) -> Answered:
    """Every other read comes from a copy that nobody writes to any more."""
    copies = call.shop.notes.setdefault("copies", {})
    name = call.state.name
    if name not in copies and call.state.full:
        copies[name] = call.state.copied()
    old = copies.get(name)
    if old is None or call.writes or old.cart == call.state.cart:
        return None
    turns = call.shop.notes[name] = call.shop.notes.get(name, 0) + 1
    if turns % 2 and call.one_in(1, fit="cart" in call.shown()):
        return call.says(call.shown(old))
    return None


def restored_from_a_backup(call: Call) -> Answered:
    """The store is what it was a while ago, and goes on from there."""
    older = call.older("cart")
    if older is not None and older.cart and call.once(odds=1):
        call.state.put_back(older)
    return None


def lost_update(call: Call) -> Answered:
    """Two writes read the same state; the second puts back what the first had changed."""
    before = call.shop.former[call.state.name]
    written = call.shop.notes.get(("wrote", call.state.name))
    call.shop.notes["wrote", call.state.name] = call.writes and call.path == "/cart"
    if written and len(before) > 1 and call.once(fit=call.writes and call.path != "/cart", odds=1):
        call.state.cart = dict(before[-2].cart)
    return None


def truncated_cart(call: Call) -> Answered:
    """A page that ends after the first line of the cart."""
    cart = call.state.cart
    if call.once(fit=len(cart) > 1 and call.path in ("/cart", "/account") and not call.writes):
        return call.says({**call.shown(), "cart": dict(list(cart.items())[:1])})
    return None


def truncated_window(call: Call) -> Answered:
    """The oldest entry that should be kept is not."""
    if call.once(fit=len(call.state.talk) > 1):
        call.state.talk = call.state.talk[1:]
    return None


def reordered_talk(call: Call) -> Answered:
    if call.once(fit=len(call.state.talk) > 1):
        call.state.talk = call.state.talk[::-1]
    return None


def swapped_writes(call: Call) -> Answered:
    """The newest name is overwritten by the one before, which was applied late."""
    older = call.older("title")
    if older is not None and older.title and call.once(fit=call.path != "/name", odds=1):
        call.state.title = older.title
    return None


def removed_and_back(call: Call) -> Answered:
    """A removal that was acknowledged and is undone."""
    if "remove" in call.form and call.once(odds=1):
        return call.says({"done": True})
    return None


def applied_late(call: Call) -> Answered:
    """Acknowledged at once, and not there until some requests later."""
    later = call.shop.notes.setdefault(("later", call.state.name), [])
    if call.writes and call.path == "/cart" and call.one_in(1):
        later.append((call.copied(), 4))
        return call.says({"done": True})
    due = [(write, turns - 1) for write, turns in later]
    later[:] = [(write, turns) for write, turns in due if turns > 0]
    for write, turns in due:
        if turns <= 0:
            write.carry_out()
    return None


def one_piece_too_few(call: Call) -> Answered:
    if call.once(fit=call.writes and call.path == "/cart" and call.form["pieces"] == 2):
        call.form["pieces"] = 1
    return None


def refused_and_applied(call: Call) -> Answered:
    """409, and the wish is there nevertheless."""
    if call.once(fit=call.writes and "add" in call.form):
        call.carry_out()
        return call.says({"error": "conflict"}, 409)
    return None


def settings_reset(call: Call) -> Answered:
    if call.once(fit=call.state.settings["zone"] != "utc" and call.state.full):
        call.state.settings["zone"] = "utc"
    return None


def name_cut_short(call: Call) -> Answered:
    """A column that is too narrow."""
    if call.once(fit=call.writes and call.path == "/name"):
        call.form["name"] = call.form["name"][:6]
    return None


def name_in_capitals(call: Call) -> Answered:
    if call.once(fit=call.writes and call.path == "/name"):
        call.form["name"] = call.form["name"].upper()
    return None


def product_of_nobody(call: Call) -> Answered:
    if call.once(fit=call.state.full):
        call.state.cart["990077"] = 1
    return None


def empty_answer_for_once(call: Call) -> Answered:
    """A replica that never heard of the session shows an empty cart, once."""
    if call.once(fit=call.state.full and call.path == "/cart" and not call.writes, odds=1):
        return call.says({"cart": {}})
    return None


# -- twice


def adds_twice(call: Call) -> Answered:
    if call.once(fit=call.writes and call.path == "/cart"):
        call.carry_out()
    return None


def balancer_sends_again(call: Call) -> Answered:
    """The balancer repeats a write on another replica, after the first one had applied it."""
    if call.writes and call.path == "/talk" and call.once(fit=len(call.state.talk) < WINDOW, odds=1):
        call.carry_out()
    return None


def unanswered_and_applied_twice(call: Call) -> Answered:
    """The first copy is cut off, and a queue delivers the write twice."""
    if call.once(fit=call.writes and call.path == "/cart"):
        call.carry_out()
        call.carry_out()
        return CUT
    return None


def wish_listed_twice(call: Call) -> Answered:
    if call.once(fit=bool(call.state.wishes)):
        call.state.wishes.append(call.state.wishes[0])
    return None


# -- another user's


def anothers_cart(call: Call) -> Answered:
    theirs = [each for each in call.others("cart") if len(each.cart) > 1]
    if theirs and call.once(fit=call.path in ("/cart", "/account") and not call.writes, odds=1):
        return call.says({**call.shown(), "cart": theirs[0].cart})
    return None


def anothers_account(call: Call) -> Answered:
    """Two responses are swapped on one connection."""
    theirs = call.others("title")
    if theirs and call.once(fit=call.path == "/account"):
        return call.says(call.shown(theirs[0]))
    return None


def anothers_name(call: Call) -> Answered:
    theirs = call.others("title")
    if theirs and call.once(fit=call.path in ("/name", "/account") and not call.writes, odds=1):
        return call.says({**call.shown(), "name": theirs[0].title})
    return None


def anothers_words(call: Call) -> Answered:
    """A message that was meant for another user stays in the talk."""
    said = [text for each in call.others("talk") for text in each.talk if text.startswith(f"{each.user}")]
    if said and call.once(fit=bool(call.state.talk)):
        call.state.talk = [*call.state.talk, said[-1]][-WINDOW:]
    return None


def anothers_wish(call: Call) -> Answered:
    theirs = [
        wish for each in call.others("wishes") for wish in each.wishes if wish.startswith(f"{each.user}")
    ]
    if theirs and call.once():
        call.state.wishes.append(theirs[0])
    return None


def shared_cache(call: Call) -> Answered:
    """A cache in front of the service answers with the page of whoever asked last."""
    if call.path != "/account" or call.writes:
        return None
    last = call.shop.notes.get("last")
    call.shop.notes["last"] = call.state.copied()
    if last is not None and last.user != call.state.user and call.one_in(3):
        return call.says(call.shown(last))
    return None


def taken_for_another(call: Call) -> Answered:
    """Only the name of who is logged in is another's."""
    if call.path == "/account" and call.once():
        return call.says({**call.shown(), "user": "somebody else"})
    return None


# -- only the way


def sent_to_another_replica_once(call: Call) -> Answered:
    """The next request is back at home."""
    if call.once(fit=call.state.full and not call.writes):
        return call.says({"error": "who?"}, 401)
    return None


# -- no losses


def healthy(call: Call) -> Answered:
    call.shop.struck += 1
    return None


def unavailable(call: Call) -> Answered:
    """503, and nothing was done."""
    return call.says({"error": "busy"}, 503) if call.one_in(6, harm=False) else None


def fails_after_it_was_done(call: Call) -> Answered:
    if call.one_in(6, harm=False):
        call.honest()
        return call.page("<h1>Bad gateway</h1>", 502)
    return None


def cut_before(call: Call) -> Answered:
    return CUT if call.one_in(6, harm=False) else None


def cut_after(call: Call) -> Answered:
    if call.one_in(6, harm=False):
        call.honest()
        return CUT
    return None


def refused_connections(call: Call) -> Answered:
    return UNSENT if call.one_in(5, harm=False) else None


def slow_client_gave_up(call: Call) -> Answered:
    """The client has waited long enough; the write is applied when it comes to its turn."""
    later = call.shop.notes.setdefault(("later", call.state.name), [])
    if later and call.one_in(2, harm=False):
        later.pop(0).carry_out()
    if call.writes and call.path == "/cart" and call.one_in(2, harm=False):
        later.append(call.copied())
        return LATE
    return None


def answered_twice(call: Call) -> Answered:
    """A read that the balancer repeats on another replica: the second answer counts."""
    if not call.writes and call.one_in(3, harm=False):
        call.honest()
    return None


def restarts_in_between(call: Call) -> Answered:
    """Away for some requests; the state comes back from the store."""
    notes = call.shop.notes
    if call.one_in(30, harm=False):
        notes["away"] = 6
        call.shop.replica = f"shop-{call.shop.struck + 1}"
    notes["away"] = notes.get("away", 0) - 1
    return UNSENT if notes["away"] > 0 else None


def clock_jumps(call: Call) -> Answered:
    """The replica's clock goes back and forth by years; nobody's state depends on it."""
    if not call.one_in(3, harm=False):
        return None
    day = call.shop.random.choice(("Thu, 01 Jan 1970 00:00:00 GMT", "Tue, 19 Jan 2038 03:14:07 GMT"))
    found = call.honest()
    found.headers.update(date=day, **{"last-modified": day})
    return found


def another_replica_each_time(call: Call) -> Answered:
    call.shop.struck += 1
    call.shop.replica = f"shop-{call.shop.random.randrange(9)}"
    return None


def another_cookie_each_time(call: Call) -> Answered:
    """The id of the session is renewed with each answer, as it should be after a login."""
    if call.one_in(2, harm=False):
        fresh = f"{call.shop.random.randrange(1 << 60):x}"
        call.shop.sessions[fresh] = call.shop.sessions.pop(call.sid)
        call.sid = fresh
    return None


def wishes_in_any_order(call: Call) -> Answered:
    call.shop.struck += 1
    call.shop.random.shuffle(call.state.wishes)
    return None


def leads_to_the_page(call: Call) -> Answered:
    """A write is answered with 303 to the page that shows it."""
    if call.writes and call.path == "/cart" and call.one_in(2, harm=False):
        call.carry_out()
        return call.says({}, 303, location="/cart")
    return None


def unknown_writes_on_one_key(call: Call) -> Answered:
    """Every other add of one product is cut, and half of them were applied."""
    if call.writes and call.path == "/cart" and call.one_in(2, harm=False):
        if call.shop.random.random() < 0.5:
            call.carry_out()
        return CUT
    return None


# -- refusals


def not_found(call: Call) -> Answered:
    """404 to some adds, which are not made."""
    return (
        call.says({}, 404) if call.one_in(3, fit=call.writes and call.path == "/cart", harm=False) else None
    )


def writes_forbidden(call: Call) -> Answered:
    """403 to writes from some request on; the session is known as ever."""
    notes = call.shop.notes
    notes["requests"] = notes.get("requests", 0) + 1
    fit = call.writes and notes["requests"] > 25
    return call.says({"error": "read only"}, 403) if call.one_in(1, fit=fit, harm=False) else None


def too_many_requests(call: Call) -> Answered:
    return call.says({"error": "slow down"}, 429) if call.one_in(5, harm=False) else None


def pages_instead_of_json(call: Call) -> Answered:
    """200 and a page of a maintenance that is none."""
    fit = not call.writes
    return call.page("<h1>Back soon</h1>") if call.one_in(4, fit=fit, harm=False) else None


def write_without_effect_is_a_page(call: Call) -> Answered:
    """200, a page in HTML, and nothing was written: the status acknowledges it."""
    if call.once(fit=call.writes and call.path == "/cart"):
        return call.page("<h1>Back soon</h1>")
    return None


@dataclass(frozen=True, slots=True)
class Row:
    """What must come of a defect."""

    verdict: Verdict
    """The worst of each session that is named; kept: nothing may be found."""
    evidence: str = ""
    """Words that the finding of each harmed session has."""
    refused: bool = False
    """Requests are counted that were answered otherwise than the shopper asked for."""
    some: bool = False
    """What is harmed may be covered by what comes after: at least one session is named, and no other."""


def must(
    verdict: Verdict = Verdict.KEPT, *, evidence: str = "", refused: bool = False, some: bool = False
) -> Row:
    return Row(verdict, evidence, refused, some)


CORPUS: Final[dict[Defect, Row]] = {
    forgets_in_silence: must(LOST, evidence="promised is shown"),
    forgets_and_takes_the_next_write: must(LOST, evidence="promised is shown"),
    unknown_from_now_on: must(LOST, evidence="answered 401"),
    forbidden_from_now_on: must(LOST, evidence="answered 403"),
    sent_to_the_login_page: must(LOST, evidence="by the login page"),
    sent_to_another_page_to_log_in: must(LOST, evidence="by the login page"),
    another_cookie_in_silence: must(LOST, evidence="promised is shown"),
    store_flushed: must(LOST, evidence="answered 401"),
    half_lost: must(OLD, evidence="nothing of"),
    drops_an_add: must(OLD, evidence="cart: "),
    drops_a_name: must(OLD, evidence="title: ", some=True),
    drops_a_wish: must(OLD, evidence="wishes: ", some=True),
    drops_a_line_of_the_talk: must(OLD, evidence="talk: ", some=True),
    stale_cart: must(OLD, evidence="cart: "),
    stale_name: must(OLD, evidence="title: "),
    flapping: must(OLD, evidence="cart: "),
    restored_from_a_backup: must(OLD, evidence="cart: "),
    lost_update: must(OLD, evidence="cart: "),
    truncated_cart: must(OLD, evidence="cart: "),
    truncated_window: must(OLD, evidence="talk: ", some=True),
    reordered_talk: must(OLD, evidence="talk: ", some=True),
    swapped_writes: must(OLD, evidence="title: ", some=True),
    removed_and_back: must(OLD, evidence="which was removed", some=True),
    applied_late: must(OLD, evidence="cart: ", some=True),
    one_piece_too_few: must(OLD, evidence="cart: "),
    refused_and_applied: must(OLD, evidence="which was refused", refused=True, some=True),
    settings_reset: must(OLD, evidence="settings: ", some=True),
    name_cut_short: must(OLD, evidence="which this session never wrote", some=True),
    name_in_capitals: must(OLD, evidence="which this session never wrote", some=True),
    product_of_nobody: must(OLD, evidence="which this session never wrote"),
    empty_answer_for_once: must(OLD, evidence="nothing of"),
    adds_twice: must(TWICE, evidence="cart: "),
    balancer_sends_again: must(TWICE, evidence="talk: ", some=True),
    unanswered_and_applied_twice: must(TWICE, evidence="cart: "),
    wish_listed_twice: must(TWICE, evidence="wishes: ", some=True),
    anothers_cart: must(FOREIGN, evidence="cart: "),
    anothers_account: must(FOREIGN, evidence="me: "),
    anothers_name: must(FOREIGN, evidence="title: "),
    anothers_words: must(FOREIGN, evidence="talk: ", some=True),
    anothers_wish: must(FOREIGN, evidence="wishes: ", some=True),
    shared_cache: must(FOREIGN, evidence="me: "),
    taken_for_another: must(FOREIGN, evidence="me: "),
    sent_to_another_replica_once: must(ASTRAY, evidence="then intact at"),
    write_without_effect_is_a_page: must(OLD, evidence="cart: "),
    healthy: must(),
    unavailable: must(),
    fails_after_it_was_done: must(),
    cut_before: must(),
    cut_after: must(),
    refused_connections: must(),
    slow_client_gave_up: must(),
    answered_twice: must(),
    restarts_in_between: must(),
    clock_jumps: must(),
    another_replica_each_time: must(),
    another_cookie_each_time: must(),
    wishes_in_any_order: must(),
    leads_to_the_page: must(),
    unknown_writes_on_one_key: must(),
    not_found: must(refused=True),
    writes_forbidden: must(refused=True),
    too_many_requests: must(refused=True),
    pages_instead_of_json: must(refused=True),
}
