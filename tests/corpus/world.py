"""A small service in this very process, and shoppers of a journey who use it over the real client.

Only the socket is left out: requests are bytes that the service reads, answers are bytes that the client's
own parser reads. A defect is asked before each request of a session, and may answer in the service's place.
"""

from __future__ import annotations

import copy
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from unittest import mock
from urllib.parse import parse_qs

with mock.patch.dict(os.environ, {"LOCUST_SKIP_MONKEY_PATCH": "1"}):
    import locust  # noqa: F401 - nothing here waits for a socket; processes that tests start do

from statefall.load import Shopper, counter, element_set, identity, log, register, registers, task
from statefall.load.answers import NoAnswer
from statefall.load.engine import Engine
from statefall.load.journey.walk import JourneyUser
from statefall.load.messages import Report
from statefall.load.wire import Response
from statefall.records.events import SessionLost
from statefall.records.load import LoadConfig, Mix
from statefall.records.load import Shopper as PlannedShopper
from statefall.records.service import AnsweredBy
from statefall.records.verdicts import LoadResult, RequestFailure

SHOPPERS: Final = 3
STEPS: Final = 16
"""Tasks of each shopper between the first writes and the last reading."""
WINDOW: Final = 4
SETTINGS: Final = {"theme": "light", "zone": "utc"}
FORMER: Final = 12

CUT: Final = NoAnswer(sent=True, reason="connection reset", failure=RequestFailure.RESET)
LATE: Final = NoAnswer(sent=True, reason="no whole answer in time", failure=RequestFailure.TIMEOUT)
UNSENT: Final = NoAnswer(sent=False, reason="no connection: refused", failure=RequestFailure.REFUSED)


@dataclass(slots=True)
class State:
    """What the service holds of a session."""

    name: str
    """As the ledger names the session: `<shopper>.<n>`."""
    user: str | None
    cart: dict[str, int] = field(default_factory=dict)
    title: str | None = None
    wishes: list[str] = field(default_factory=list)
    talk: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))

    def copied(self) -> State:
        """A copy that later writes do not touch."""
        return copy.deepcopy(self)

    def put_back(self, other: State) -> None:
        """Hold what the other one holds."""
        for part in ("user", "cart", "title", "wishes", "talk", "settings"):
            setattr(self, part, copy.deepcopy(getattr(other, part)))

    def emptied(self) -> None:
        """A session as one begins, and of nobody."""
        self.put_back(State("", None))

    @property
    def full(self) -> bool:
        """Every part holds something, so that whatever goes is missed."""
        return bool(self.cart and self.title and self.wishes and self.talk)


@dataclass(slots=True)
class Shop:
    """The service, and what defects remember."""

    random: random.Random
    sessions: dict[str, State] = field(default_factory=dict)
    logins: dict[str, int] = field(default_factory=dict)
    former: dict[str, list[State]] = field(default_factory=dict)
    """Of each session: what it held before each of its latest requests, oldest first."""
    hit: set[str] = field(default_factory=set)
    """Names of the sessions that a defect has harmed."""
    struck: int = 0
    notes: dict[Any, Any] = field(default_factory=dict)
    replica: str = "shop-1"


@dataclass(slots=True)
class Call:
    """One request of a session."""

    shop: Shop
    sid: str
    state: State
    method: str
    path: str
    form: dict[str, Any]

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.method == "POST"

    def one_in(self, number: int, *, fit: bool = True, harm: bool = True) -> bool:
        """Strike now, about once in so many requests that fit. `harm`: the session is to be named."""
        if not fit or self.shop.random.randrange(number):
            return False
        self.shop.struck += 1
        if harm:
            self.shop.hit.add(self.state.name)
        return True

    def once(self, *, fit: bool = True, harm: bool = True, odds: int = 2) -> bool:
        """Strike each session once at most."""
        done = self.shop.notes.setdefault("once", set())
        if self.state.name in done or not self.one_in(odds, fit=fit, harm=harm):
            return False
        done.add(self.state.name)
        return True

    def others(self, part: str) -> list[State]:
        """Other users' sessions that hold something there."""
        found = [each for each in self.shop.sessions.values() if each.name.split(".")[0] != self._index]
        return [each for each in found if getattr(each, part)]

    @property
    def _index(self) -> str:
        return self.state.name.split(".")[0]

    def older(self, part: str) -> State | None:
        """The newest former state that shows another thing there."""
        now = getattr(self.state, part)
        found = [each for each in self.shop.former[self.state.name] if getattr(each, part) != now]
        return found[-1] if found else None

    def copied(self) -> Call:
        """The same request, to be carried out later."""
        return Call(self.shop, self.sid, self.state, self.method, self.path, dict(self.form))

    def carry_out(self, state: State | None = None) -> None:
        """Apply the write."""
        state, form = state or self.state, self.form
        if self.path == "/cart":
            key = str(form["id"])
            state.cart[key] = state.cart.get(key, 0) + int(form["pieces"])
        elif self.path == "/name":
            state.title = form["name"]
        elif self.path == "/wishes" and form.get("remove"):
            state.wishes = [each for each in state.wishes if each != form["remove"]]
        elif self.path == "/wishes" and form["add"] not in state.wishes:
            state.wishes.append(form["add"])
        elif self.path == "/talk":
            state.talk = [*state.talk, form["text"]][-WINDOW:]
        elif self.path == "/settings":
            state.settings[form["key"]] = form["value"]

    def shown(self, state: State | None = None) -> dict[str, Any]:
        """What the page shows."""
        state = state or self.state
        parts: dict[str, dict[str, Any]] = {
            "/cart": {"cart": state.cart},
            "/name": {"name": state.title},
            "/talk": {"talk": state.talk},
        }
        whole = {
            "cart": state.cart, "name": state.title, "wishes": state.wishes, "talk": state.talk,
            "settings": state.settings, "user": state.user,
        }  # fmt: skip
        return parts.get(self.path, whole)

    def honest(self) -> Response:
        """Do what was asked, and say so."""
        if self.writes:
            self.carry_out()
            return self.says({"done": True})
        return self.says(self.shown())

    def says(self, document: Any, status: int = 200, **headers: str) -> Response:
        """An answer with this document."""
        return answer(self.shop.replica, status, json.dumps(document).encode(), self.sid, headers)

    def page(self, text: str, status: int = 200) -> Response:
        """An answer in HTML."""
        return answer(self.shop.replica, status, text.encode(), self.sid, {"content-type": "text/html"})


Defect = Callable[[Call], Response | NoAnswer | None]
"""None: the service answers honestly."""


def answer(replica: str, status: int, body: bytes, sid: str, headers: dict[str, str]) -> Response:
    cookies = (f"sid={sid}; Path=/",) if sid else ()
    fields = {"x-pod": replica, "content-type": "application/json", **headers}
    return Response(status, fields, cookies, body, keep_alive=True)


class Wire:
    """In the place of a connection: the service reads the request and answers it at once."""

    def __init__(self, shop: Shop, defect: Defect, *_: Any) -> None:
        self.sent = False
        self._shop, self._defect = shop, defect

    def close(self) -> None: ...

    def send(self, message: bytes, *, bodiless: bool = False) -> Response | NoAnswer:
        head, _, body = message.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        kind = fields.get("content-type", "")
        form = json.loads(body) if "json" in kind else {k: v[0] for k, v in parse_qs(body.decode()).items()}
        cookies = dict(each.split("=", 1) for each in fields.get("cookie", "").split("; ") if each)
        found = self._answer(method, target.partition("?")[0], form, cookies.get("sid", ""))
        self.sent = not (isinstance(found, NoAnswer) and not found.sent)
        return found

    def _answer(self, method: str, path: str, form: dict[str, Any], sid: str) -> Response | NoAnswer:
        shop = self._shop
        if path == "/login":
            return self._log_in(form["user"])
        state = shop.sessions.get(sid)
        if state is None:
            return answer(shop.replica, 401, b'{"error": "who?"}', "", {})
        call = Call(shop, sid, state, method, path, form)
        former = shop.former[state.name]
        former.append(state.copied())
        del former[:-FORMER]
        planted = self._defect(call)
        return call.honest() if planted is None else planted

    def _log_in(self, user: str) -> Response:
        shop = self._shop
        number = shop.logins[user] = shop.logins.get(user, 0) + 1
        index = "".join(filter(str.isdigit, user))
        sid, name = f"{user}-{number}-{shop.random.randrange(1 << 32):x}", f"{index}.{number}"
        shop.sessions[sid] = State(name, user)
        shop.former[name] = []
        return answer(shop.replica, 200, b'{"user": "you"}', sid, {})


class Buyer(Shopper):
    """Uses every part of the service."""

    cart = counter({})
    title = register(None)
    wishes = element_set(())
    talk = log(WINDOW, empty=True)
    settings = registers(SETTINGS)
    me = identity(lambda user: user.name)
    said = 0

    def log_in(self) -> None:
        self.post("/login", data={"user": self.user.name})

    @task(4)
    def add(self) -> None:
        product, pieces = self.random.randrange(200), self.random.randint(1, 2)
        write = self.cart.add(product, pieces)
        self.post("/cart", json={"id": product, "pieces": pieces}, writes=write)

    @task(2)
    def rename(self) -> None:
        self.said += 1
        name = f"{self.user.name} the {self.said}th"
        self.post("/name", json={"name": name}, writes=self.title.set(name))

    @task(2)
    def wish(self) -> None:
        self.said += 1
        wish = f"{self.user.name}'s wish {self.said}"
        self.post("/wishes", json={"add": wish}, writes=self.wishes.add(wish))

    @task(1)
    def wish_for_no_more(self) -> None:
        page = self.get("/account").json()
        self.me.shows(page["user"])
        self.cart.shows(page["cart"])
        self.title.shows(page["name"])
        if page["wishes"]:
            wish = page["wishes"][0]
            self.post("/wishes", json={"remove": wish}, writes=self.wishes.remove(wish))

    @task(2)
    def say(self) -> None:
        self.said += 1
        text = f"{self.user.name} says {self.said}"
        self.post("/talk", json={"text": text}, writes=self.talk.append(text))

    @task(1)
    def choose(self) -> None:
        zone = f"zone {self.random.randrange(1 << 30)}"
        self.post("/settings", json={"key": "zone", "value": zone}, writes=self.settings.set("zone", zone))

    @task(3)
    def look_at_the_cart(self) -> None:
        self.cart.shows(self.get("/cart").json()["cart"])

    @task(1)
    def look_at_the_name(self) -> None:
        self.title.shows(self.get("/name").json()["name"])

    @task(4)
    def look_at_everything(self) -> None:
        page = self.get("/account").json()
        self.me.shows(page["user"])
        self.cart.shows(page["cart"])
        self.title.shows(page["name"])
        self.wishes.shows(page["wishes"])
        self.talk.shows(page["talk"])
        self.settings.shows(page["settings"])

    def audit(self) -> None:
        self.look_at_everything()


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of some shoppers on a service with a defect."""

    result: LoadResult
    findings: tuple[SessionLost, ...]
    shop: Shop
    history: tuple[str, ...]


def lived_through(defect: Defect, seed: int) -> Ended:
    """Let some shoppers use the service, and read everything once more."""
    shop, findings, lines = Shop(random.Random(f"{seed}/shop")), list[SessionLost](), list[str]()

    def told(report: Report) -> None:
        lines.extend(report.history)
        findings.extend(event for event in report.events if isinstance(event, SessionLost))

    config = LoadConfig(
        cell="corpus", target="http://shop.example", seed=seed, shoppers=(), mix=Mix.SHOPPING,
        think_time_s=0.0, answered_by=AnsweredBy(header="x-pod"), max_reloads=1,
    )  # fmt: skip
    with (
        mock.patch("statefall.load.http.HttpConnection", partial(Wire, shop, defect)),
        mock.patch("statefall.load.virtual_user.AUDIT_RETRY_S", 0.001),
    ):
        engine = Engine(report=told, spawn=lambda count: None, sampled=lambda sample: None)
        engine.assign(config, Buyer)
        engine.start(time.monotonic())
        order = random.Random(f"{seed}/order")
        users = [
            engine.journey.virtual_user(PlannedShopper(index, index + 1, 0.0, order.getrandbits(32)))
            for index in range(SHOPPERS)
        ]
        turns = [user for user in users for _ in range(STEPS)]
        order.shuffle(turns)
        for user in users:
            user.step()
            for first in (Buyer.add, Buyer.rename, Buyer.wish, Buyer.say, Buyer.choose):
                assert isinstance(user, JourneyUser)
                user._perform(first)
        for user in turns:
            user.step()
        for user in users:
            user.audit()
        result = engine.finish()
    return Ended(result, tuple(findings), shop, tuple(lines))
