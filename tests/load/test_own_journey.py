"""A journey of a user's own in a real load process: each planted loss is named rightly, nothing else is."""

from __future__ import annotations

import subprocess
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from statefall.records.events import SessionLost, SessionStarted
from statefall.records.service import AnsweredBy
from statefall.records.verdicts import LoadResult, Verdict
from tests.load.generator import assert_counts_balance, command, config_for, generating, wait_until
from tests.load.planted import ADDRESS, CLOSE, POD, Kept, PlantedShop, healthy, serving

CART = """
    from statefall.load import Shopper, counter, task

    class Buyer(Shopper):
        cart = counter()

        def log_in(self):
            self.post("/login", data={"user": self.user.name, "password": self.user.password})

        @task(3)
        def add(self):
            product = self.random.randint(1, 1000)
            self.post("/cart", json={"id": product}, writes=self.cart.add(product, 1))

        @task(5)
        def look(self):
            self.cart.shows(self.get("/cart").json())
    """
NAMED = (
    CART.replace("counter, task", "counter, register, task").replace(
        "cart = counter()", "cart = counter()\n        name = register()"
    )
    + """
        @task
        def rename(self):
            name = f"{self.user.name}-{self.random.random()}"
            self.post("/name", json={"name": name}, writes=self.name.set(name))

        @task(2)
        def profile(self):
            self.name.shows(self.get("/name").json()["name"])
    """
)
WITH_IDENTITY = (
    NAMED.replace("register, task", "identity, register, task")
    .replace("name = register()", "name = register()\n        me = identity(lambda user: user.name)")
    .replace('self.name.shows(self.get("/name").json()["name"])', 'page = self.get("/name").json()')
    + """
            self.name.shows(page["name"])
            self.me.shows(page["user"])
    """
)
BY_HEADER = AnsweredBy(header="x-pod")


def written(folder: Path, text: str) -> str:
    file = folder / "buyer.py"
    file.write_text(textwrap.dedent(text))
    return f"{file}:Buyer"


def loaded(
    folder: Path, shop: PlantedShop, text: str, *, requests: int = 300, **fields: Any
) -> tuple[LoadResult, list[SessionLost], list[SessionStarted]]:
    """So many requests with a session, then an audit and the final counts."""
    config = config_for(shop.url, journey=written(folder, text), **{"answered_by": BY_HEADER, **fields})
    with generating(config, folder) as generator:
        generator.channel.start()
        wait_until(lambda: shop.requests >= requests // 2, "half of the requests came")
        generator.channel.mark("none")
        wait_until(lambda: shop.requests >= requests, "all requests came")
        shop.defect = healthy  # what is planted now would be seen by nobody
        generator.channel.audit()
        result = generator.channel.finish()
        findings, started = generator.of_kind(SessionLost), generator.of_kind(SessionStarted)
        assert generator.complaints() == ""
    assert_counts_balance(result)
    return result, findings, started


def verdicts(findings: list[SessionLost]) -> Counter[str]:
    return Counter(finding.verdict.value for finding in findings)


def test_a_healthy_service_keeps_everything(tmp_path: Path) -> None:
    with serving(PlantedShop()) as shop:
        result, findings, started = loaded(tmp_path, shop, NAMED)
    assert findings == []
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
    assert len(result.sessions) == len(started) == 12
    assert {event.pod for event in started} == {record.pod for record in result.sessions} == {POD}
    assert result.generator_faults == ()


def forgets_one_in_50(shop: PlantedShop, method: str, path: str, kept: Kept) -> None:
    """A new session in its place, without a word; once, or two losses would be seen as one."""
    if shop.requests % 50 == 0 and kept.cart and not kept.forgotten:
        shop.hit.append(kept.user)
        kept.cart, kept.name, kept.forgotten = {}, None, True


@pytest.mark.parametrize("journey", [CART, NAMED], ids=["one promise", "two promises"])
def test_a_session_forgotten_in_silence_is_lost(tmp_path: Path, journey: str) -> None:
    with serving(PlantedShop(forgets_one_in_50)) as shop:
        result, findings, _ = loaded(tmp_path, shop, journey, requests=500)
    assert shop.hit
    assert verdicts(findings) == {"lost": len(shop.hit)}
    assert sum(record.verdict is Verdict.LOST for record in result.sessions) == len(shop.hit)


def test_a_session_that_is_answered_as_unknown_is_lost(tmp_path: Path) -> None:
    def forgets(shop: PlantedShop, method: str, path: str, kept: Kept) -> tuple[int, Any] | None:
        if shop.requests % 50 == 0:
            shop.hit.append(kept.user)
            gone = next(sid for sid, each in shop.sessions.items() if each is kept)
            del shop.sessions[gone]
            return 401, {"error": "who?"}
        return None

    with serving(PlantedShop(forgets)) as shop:
        result, findings, _ = loaded(tmp_path, shop, CART)
    assert verdicts(findings) == {"lost": len(shop.hit)}
    assert {finding.home.pod for finding in findings} == {POD}
    assert sum(result.told_lost[f"{POD}/"].values()) == len(shop.hit)


def forgets_the_cart_once(shop: PlantedShop, method: str, path: str, kept: Kept) -> None:
    """The login and the name stay."""
    if shop.requests > 100 and not shop.hit and kept.cart and kept.name and path == "/cart":
        shop.hit.append(kept.user)
        kept.cart = {}


def test_a_forgotten_cart_is_rolled_back_where_the_rest_is_there(tmp_path: Path) -> None:
    with serving(PlantedShop(forgets_the_cart_once)) as shop:
        _, findings, _ = loaded(tmp_path, shop, WITH_IDENTITY)
    assert verdicts(findings) == {"rolled_back": 1}


def test_anothers_cart_is_foreign(tmp_path: Path) -> None:
    def answers_anothers(shop: PlantedShop, method: str, path: str, kept: Kept) -> tuple[int, Any] | None:
        if shop.requests < 150 or shop.hit or len(kept.cart) < 2 or (method, path) != ("GET", "/cart"):
            return None
        others = [each for each in shop.sessions.values() if each is not kept and len(each.cart) > 1]
        if not others:
            return None
        shop.hit.append(kept.user)
        return 200, others[0].cart

    with serving(PlantedShop(answers_anothers)) as shop:
        _, findings, _ = loaded(tmp_path, shop, CART)
    assert shop.hit
    assert findings[0].verdict is Verdict.FOREIGN
    assert {finding.session for finding in findings} == {findings[0].session}


def test_a_session_that_one_reload_finds_again_is_misrouted(tmp_path: Path) -> None:
    def once_unknown(shop: PlantedShop, method: str, path: str, kept: Kept) -> tuple[int, Any] | None:
        if shop.requests > 100 and not shop.hit and kept.cart:
            shop.hit.append(kept.user)
            return 401, {"error": "who?"}
        return None

    with serving(PlantedShop(once_unknown)) as shop:
        _, findings, _ = loaded(tmp_path, shop, CART)
    assert verdicts(findings) == {"misrouted": 1}


def test_what_has_no_answer_is_no_evidence(tmp_path: Path) -> None:
    """Writes without an answer may be applied or not: one half is, the other is not."""

    def fails(shop: PlantedShop, method: str, path: str, kept: Kept) -> tuple[int, Any] | None:
        if shop.requests % 7 == 0:
            shop.hit.append(kept.user)
            if method == "POST" and shop.requests % 2:
                kept.cart["7"] = kept.cart.get("7", 0)
            return (CLOSE if shop.requests % 3 else 503), {}
        return None

    with serving(PlantedShop(fails)) as shop:
        result, findings, _ = loaded(tmp_path, shop, CART)
    assert findings == []
    assert result.requests.failed == len(shop.hit)


def test_the_balancers_log_says_who_answered(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    by_log: dict[str, Any] = {"answered_by": AnsweredBy(access_log="traefik"), "access_log": str(log)}
    with serving(PlantedShop(forgets_one_in_50, log)) as shop:
        result, findings, started = loaded(tmp_path, shop, CART, **by_log)
    assert {event.pod for event in started} == {record.pod for record in result.sessions} == {ADDRESS}
    assert {finding.home.pod for finding in findings} == {ADDRESS}


def test_where_nobody_says_who_answered_homes_are_unknown(tmp_path: Path) -> None:
    with serving(PlantedShop(forgets_one_in_50)) as shop:
        result, findings, _ = loaded(tmp_path, shop, CART, answered_by=AnsweredBy())
    assert findings
    assert {record.pod for record in result.sessions} == {""}


def test_an_error_of_the_journey_is_told_once_as_the_generators(tmp_path: Path) -> None:
    broken = CART.replace('self.cart.shows(self.get("/cart").json())', 'self.get("/cart").json()["lines"]')
    with serving(PlantedShop()) as shop:
        result, findings, _ = loaded(tmp_path, shop, broken, requests=120)
    assert result.generator_faults == ("Buyer.look, line 17: KeyError: 'lines'",)
    assert findings == []


def test_a_login_that_never_works_is_told(tmp_path: Path) -> None:
    shop = PlantedShop()
    wrong = CART.replace('"/login", data', '"/nowhere", data')
    with serving(shop):
        config = config_for(shop.url, journey=written(tmp_path, wrong))
        with generating(config, tmp_path) as generator:
            generator.channel.start()
            wait_until(lambda: generator.completed() > 12, "everybody has tried")
            result = generator.channel.finish()
    assert result.sessions == ()
    assert result.generator_faults == (
        f"Buyer.log_in never worked: log_in: POST {shop.url}/nowhere answered 401",
    )


def test_shoppers_of_several_processes_are_all_judged(tmp_path: Path) -> None:
    with serving(PlantedShop(forgets_one_in_50)) as shop:
        result, findings, _ = loaded(tmp_path, shop, CART, workers=2)
    assert verdicts(findings) == {"lost": len(shop.hit)}
    assert result.generator_faults == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = = 1", "line 1: invalid syntax"),
        ("import nothing_of_the_kind", "line 1: ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("class Buyer: pass", "Buyer is no Shopper"),
        ("from statefall.load import Shopper\nclass Buyer(Shopper): pass", "Buyer has no task"),
        (
            "from statefall.load import BareShopper\nclass Buyer(BareShopper): pass",
            "Buyer defines no `begin`",
        ),
        (
            "from statefall.load import WithPromises\nclass Buyer(WithPromises): pass",
            "Buyer is no HttpUser and no FastHttpUser",
        ),
        ("Other = 1", "there is no class 'Buyer'"),
        ("raise SystemExit(0)", "line 1: SystemExit: 0"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_code_2(tmp_path: Path, text: str, told: str) -> None:
    config = config_for("http://127.0.0.1:1", journey=written(tmp_path, text))
    file = tmp_path / "load.json"
    file.write_bytes(config.to_json())
    ended = subprocess.run(
        command("--check", "--config", str(file)), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2, ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"{tmp_path / 'buyer.py'}: {told}")


def test_a_cookie_says_who_answered(tmp_path: Path) -> None:
    by_cookie: dict[str, Any] = {"answered_by": AnsweredBy(cookie="route")}
    with serving(PlantedShop(forgets_one_in_50)) as shop:
        result, findings, started = loaded(tmp_path, shop, CART, **by_cookie)
    assert findings
    assert {event.pod for event in started} == {record.pod for record in result.sessions} == {POD}
    assert {finding.home.pod for finding in findings} == {POD}


TABS = (
    CART
    + """
        @task(3)
        def add_in_another_tab(self):
            with self.tab() as other:
                other.post("/cart", json={"id": 7}, writes=self.cart.add(7, 1))
                self.post("/cart", json={"id": 8}, writes=self.cart.add(8, 1))
                self.cart.shows(other.get("/cart").json())
    """
)


def test_tabs_share_the_session_and_its_promises(tmp_path: Path) -> None:
    with serving(PlantedShop()) as shop:
        result, findings, started = loaded(tmp_path, shop, TABS)
        carts = [kept.cart for kept in shop.sessions.values()]
    assert any(cart.get("7") and cart.get("8") for cart in carts), "both tabs wrote to one session"
    assert findings == []
    assert len(result.sessions) == len(started) == len(shop.sessions)


def forgets_what_the_other_tab_wrote(shop: PlantedShop, method: str, path: str, kept: Kept) -> None:
    """As a write does that puts back what was read before the other tab's write."""
    if method == "POST" and kept.cart.get("7", 0) > 1 and not shop.hit:
        shop.hit.append(kept.user)
        kept.cart["7"] -= 1


def test_a_lost_update_of_two_tabs_is_rolled_back(tmp_path: Path) -> None:
    with serving(PlantedShop(forgets_what_the_other_tab_wrote)) as shop:
        _, findings, _ = loaded(tmp_path, shop, TABS)
    assert shop.hit
    assert verdicts(findings) == {"rolled_back": 1}
