"""Logging in again by a form, where the service takes the cookie of the lost session for a login."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, redirect, request, session
from werkzeug.serving import make_server

from statefall.records.events import SessionLost
from statefall.records.verdicts import LoadResult
from tests.load.generator import config_for, generating, wait_until
from tests.load.test_own_journey import verdicts, written

JOURNEY = """
    from statefall.load import Shopper, counter, task

    class Buyer(Shopper):
        cart = counter(initial={})

        def log_in(self):
            self.form("/login", user=self.user.name)

        @task
        def add(self):
            self.post("/cart", writes=self.cart.add("pen", 1))

        @task
        def look(self):
            self.cart.shows(self.get("/cart").json())
    """
EXISTING = """
    import re
    from locust import HttpUser, task
    from statefall.load import WithPromises, counter

    class Buyer(WithPromises, HttpUser):
        cart = counter(initial={})

        def on_start(self):
            page = self.client.get("/login").text
            token = re.search('value="(.*?)"', page)[1]
            self.client.post("/login", data={"token": token, "user": self.user.name})

        @task
        def add(self):
            self.client.post("/cart", writes=self.cart.add("pen", 1))

        @task
        def look(self):
            self.cart.shows(self.client.get("/cart").json())
    """
PAGE = """<form method="post"><input type="hidden" name="token" value="t"><input name="user"></form>"""


class Shop:
    """A signed cookie says who one is; the carts are in memory, and lost once each, with the login."""

    def __init__(self, home: int) -> None:
        """`home`: how the page is answered to which a login leads whoever has the cookie."""
        self.carts: dict[str, dict[str, int]] = {}
        self.lost: set[str] = set()
        self.logins: dict[str, int] = {}
        self.app = Flask("shop")
        self.app.secret_key = "shop"
        self.home = home
        for path, view in (("/login", self.login), ("/", self.front), ("/cart", self.cart)):
            self.app.add_url_rule(path, path, view, methods=["GET", "POST"])

    def login(self) -> Any:
        if "user" in session:
            return redirect("/")
        if request.method == "GET":
            return PAGE
        if request.form["token"] != "t":
            return "forged", 400
        user = session["user"] = request.form["user"]
        self.logins[user] = self.logins.get(user, 0) + 1
        self.carts[user] = {}
        return redirect("/")

    def front(self) -> Any:
        if session.get("user") in self.carts:
            return "welcome"
        return redirect("/login") if self.home == 302 else ("welcome, stranger", self.home)

    def cart(self) -> Any:
        user = session.get("user", "")
        if self.carts.get(user, {}).get("pen", 0) >= 3 and user not in self.lost:
            self.lost.add(user)
            del self.carts[user]
        if user not in self.carts:
            return {"error": "who?"}, 401
        if request.method == "POST":
            self.carts[user]["pen"] = self.carts[user].get("pen", 0) + 1
        return self.carts[user]


@contextmanager
def serving(shop: Shop) -> Iterator[str]:
    """The shop as a server on loopback: its URL."""
    server = make_server("127.0.0.1", 0, shop.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def loaded(folder: Path, shop: Shop, text: str) -> tuple[LoadResult, list[SessionLost], str]:
    with serving(shop) as url:
        config = config_for(url, shoppers=3, journey=written(folder, text))
        with generating(config, folder) as generator:
            generator.channel.start()
            wait_until(
                lambda: len(shop.logins) == 3 and all(number > 1 for number in shop.logins.values()),
                "everybody has logged in again",
            )
            result = generator.channel.finish()
            return result, generator.of_kind(SessionLost), generator.complaints()


@pytest.mark.parametrize(
    ("text", "home", "told"),
    [
        (JOURNEY, 200, "GET /login led to /"),
        (JOURNEY, 302, "GET /login led in a circle"),
        (EXISTING, 200, "GET /login led to /"),
    ],
    ids=["home", "circle", "existing user"],
)
def test_who_is_led_away_from_the_login_starts_over(tmp_path: Path, text: str, home: int, told: str) -> None:
    shop = Shop(home)
    result, findings, said = loaded(tmp_path, shop, text)
    assert verdicts(findings) == {"lost": 3}
    assert result.generator_faults == ()
    assert set(shop.logins.values()) == {2}
    [line] = [line for line in said.splitlines() if "log_in" in line]
    assert line.endswith(f"Buyer.log_in: {told} while the session is lost: cookies are dropped")


def test_a_login_that_comes_keeps_its_cookies(tmp_path: Path) -> None:
    """A cookie that marks the browser is kept, as a browser keeps it."""
    marked: list[str | None] = []

    class Marking(Shop):
        def login(self) -> Any:
            session.pop("user", None)
            marked.append(request.cookies.get("browser"))
            answer = self.app.make_response(super().login())
            answer.set_cookie("browser", request.cookies.get("browser") or request.form.get("user", "new"))
            return answer

    result, findings, said = loaded(tmp_path, Marking(200), JOURNEY)
    assert verdicts(findings) == {"lost": 3}
    assert result.generator_faults == ()
    assert "cookies" not in said
    assert marked.count(None) == 3
