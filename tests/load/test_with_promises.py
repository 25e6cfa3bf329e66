"""Promises on an existing HttpUser or FastHttpUser: planted losses are named as a Shopper names them."""

from __future__ import annotations

import re
import signal
from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from werkzeug.serving import make_server

from statefall.records.events import SessionLost
from statefall.records.verdicts import LoadResult, Verdict
from tests.load.generator import (
    DEADLINE_S,
    assert_counts_balance,
    config_for,
    generating,
    wait_until,
)
from tests.load.planted import CLOSE, Kept, PlantedShop, healthy, serving
from tests.load.test_by_hand import NUMBER, locust
from tests.load.test_own_journey import BY_HEADER, forgets_one_in_50, verdicts, written
from tests.load.test_sockets import documented

KINDS = pytest.mark.parametrize("kind", ["HttpUser", "FastHttpUser"])
EXISTING = """
    from locust import {kind}, constant, task
    from statefall.load import WithPromises, counter, register

    class Buyer(WithPromises, {kind}):
        wait_time = constant(0.05)
        cart = counter()
        name = register()

        def on_start(self):
            self.client.post("/login", data={{"user": self.user.name}})

        @task(3)
        def add(self):
            product = self.random.randint(1, 1000)
            self.client.post("/cart", json={{"id": product}}, writes=self.cart.add(product, 1))

        @task(5)
        def look(self):
            before = self.client.get("/cart", name="cart")
            with self.client.post("/other", json={{}}, catch_response=True) as other:
                if other.status_code not in (200, 401):
                    other.failure("broken")
            self.cart.shows(before.json())

        @task
        def rename(self):
            name = f"{{self.user.name}}-{{self.random.random()}}"
            with self.client.post(
                "/name", json={{"name": name}}, writes=self.name.set(name), catch_response=True
            ) as renamed:
                if not renamed.ok:
                    renamed.failure("not renamed")

        @task(2)
        def profile(self):
            page = self.client.get("/name")
            self.name.shows(page.json()["name"])
    """


def existing(kind: str) -> str:
    """A locustfile, its promises put on it."""
    return EXISTING.format(kind=kind)


def test_the_documented_locustfile_is_held_to_its_promises(tmp_path: Path) -> None:
    with serving(PlantedShop(forgets_one_in_50)) as shop:
        result, findings, _ = loaded(tmp_path, shop, documented("Your own locustfile"))
    assert shop.hit
    assert verdicts(findings) == {"lost": len(shop.hit)}
    assert result.generator_faults == ()


def loaded(folder: Path, shop: PlantedShop, text: str) -> tuple[LoadResult, list[SessionLost], str]:
    """So many requests, then an audit and the final counts; and what the process said."""
    config = config_for(shop.url, journey=written(folder, text), answered_by=BY_HEADER)
    with generating(config, folder) as generator:
        generator.channel.start()
        wait_until(lambda: shop.requests >= 400, "all requests came")
        generator.channel.mark("none")
        shop.defect = healthy  # what is planted now would be seen by nobody
        generator.channel.audit()
        result = generator.channel.finish()
        findings, said = generator.of_kind(SessionLost), generator.complaints()
    assert_counts_balance(result)
    assert "Traceback" not in said
    return result, findings, said


@KINDS
def test_a_healthy_service_keeps_everything(tmp_path: Path, kind: str) -> None:
    with serving(PlantedShop()) as shop:
        result, findings, said = loaded(tmp_path, shop, existing(kind))
    assert findings == []
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
    assert len(result.sessions) == 12
    assert result.generator_faults == ()
    assert said.count(f"Buyer asks with {kind}'s client: ") == 1
    assert ("sent again in silence, up to 12 times" in said) == (kind == "FastHttpUser")


@KINDS
def test_a_session_forgotten_in_silence_is_lost(tmp_path: Path, kind: str) -> None:
    with serving(PlantedShop(forgets_one_in_50)) as shop:
        result, findings, _ = loaded(tmp_path, shop, existing(kind))
    assert shop.hit
    assert verdicts(findings) == {"lost": len(shop.hit)}
    assert result.generator_faults == ()


def one_of_each(shop: PlantedShop, method: str, path: str, kept: Kept) -> tuple[int, Any] | None:
    """A session that is gone, a rolled-back cart, an answer of 500, none at all, one unknown once."""
    number = len(shop.hit)
    if shop.requests < 60 * (number + 1) or len(kept.cart) < 2 or not kept.name or number > 4:
        return None
    if number and (method, path) != ("GET", "/cart"):
        return None
    shop.hit.append(kept.user)
    if number == 0:
        del shop.sessions[next(sid for sid, each in shop.sessions.items() if each is kept)]
        return 401, {"error": "who?"}
    if number == 1:
        del kept.cart[next(iter(kept.cart))]
    return {2: (503, {"7": 99}), 3: (CLOSE, {}), 4: (401, {"error": "who?"})}.get(number)


@KINDS
def test_each_loss_has_its_own_name(tmp_path: Path, kind: str) -> None:
    with serving(PlantedShop(one_of_each)) as shop:
        result, findings, _ = loaded(tmp_path, shop, existing(kind))
        assert len(shop.hit) == 5
    told = Counter(finding.verdict.value for finding in findings)
    assert told == {"lost": 1, "rolled_back": 1, "misrouted": 1}
    assert result.generator_faults == ()
    # The cut answer is a failure that FastHttpUser's client hides by asking again.
    assert result.requests.failed == (2 if kind == "HttpUser" else 1)


@KINDS
def test_under_locust_alone_it_says_what_became_of_its_sessions(tmp_path: Path, kind: str) -> None:
    with (
        serving(PlantedShop(forgets_one_in_50)) as shop,
        locust(tmp_path, shop, "--headless", "-u", "5", "-r", "5", text=existing(kind)) as (process, output),
    ):
        wait_until(lambda: shop.requests >= 200 and len(shop.hit) > 0, "a session was forgotten")
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_S)
        text = output.read_text()
    assert "Traceback" not in text
    assert text.count(": lost: ") == len(shop.hit)
    assert f"Buyer asks with {kind}'s client: " in text
    found = NUMBER.search(text)
    assert found is not None, text
    assert f"{len(shop.hit)} lost" in found[2]
    assert re.search(r"GET +cart ", text), "Locust's own statistics are as they were"


def test_what_the_client_sends_again_in_silence_can_carry_no_sum(tmp_path: Path) -> None:
    text = existing("FastHttpUser").replace('client.post("/cart"', 'client.put("/cart"')
    with serving(PlantedShop()) as shop:
        result, findings, _ = loaded(tmp_path, shop, text)
    assert findings == []
    [told] = result.generator_faults
    assert "cart: FastHttpUser may send a PUT several times" in told


def test_the_example_holds_a_framework_to_its_promises(tmp_path: Path) -> None:
    """Flask's own session, in a cookie: nobody loses anything."""
    examples = Path(__file__).parents[2] / "examples"
    file = examples / "flask-cookie" / "app.py"
    spec = spec_from_file_location("flask_cookie", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.app.secret_key = "for a test"
    server = make_server("127.0.0.1", 0, module.app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        text = (examples / "locustfile.py").read_text().replace("between(0.5, 2)", "between(0, 0.1)")
        config = config_for(url, journey=written(tmp_path, text))
        with generating(config, tmp_path) as generator:
            generator.channel.start()
            wait_until(lambda: generator.completed() > 200, "shoppers shop")
            generator.channel.audit()
            result = generator.channel.finish()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
    assert len(result.sessions) == 12
    assert result.generator_faults == ()
