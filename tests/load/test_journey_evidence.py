"""What an answer is no evidence of: a reload asks for the same thing, a page of the login's is no login page,
and a redirect to another origin says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from statefall.records.verdicts import Verdict
from tests.load.planted import Kept, PlantedShop, serving
from tests.load.test_own_journey import CART, loaded, verdicts

WITH_QUERY = CART.replace('self.get("/cart")', 'self.get("/cart", params={"view": "full"})')
AT_HOME = CART.replace(
    "\n\n        @task(3)", '\n            self.get("/home").json()\n\n        @task(3)', 1
)
Answered = tuple[int, Any] | None


def knows_the_full_view_alone(shop: PlantedShop, method: str, path: str, kept: Kept) -> Answered:
    """One answer of another replica, and a page that needs its query."""
    if path == "/cart?view=full":
        if kept.cart and not shop.hit:
            shop.hit.append(kept.user)
            return 401, {"error": "who?"}
        return 200, kept.cart
    return (401, {"error": "which view?"}) if (method, path) == ("GET", "/cart") else None


def test_a_reload_asks_for_the_same_with_its_query(tmp_path: Path) -> None:
    with serving(PlantedShop(knows_the_full_view_alone)) as shop:
        _, findings, _ = loaded(tmp_path, shop, WITH_QUERY)
    assert shop.hit
    assert verdicts(findings) == {"misrouted": 1}


def leads_home(shop: PlantedShop, method: str, path: str, kept: Kept) -> Answered:
    """Each write leads to the page that the login looks at."""
    if (method, path) == ("POST", "/cart"):
        shop.hit.append(kept.user)
        kept.cart["7"] = kept.cart.get("7", 0) + 1
        return 303, "/home"
    return (200, {"welcome": kept.user}) if path == "/home" else None


def test_a_page_that_the_login_looks_at_is_no_login_page(tmp_path: Path) -> None:
    seven = AT_HOME.replace("self.random.randint(1, 1000)", "7")
    with serving(PlantedShop(leads_home)) as shop:
        result, findings, _ = loaded(tmp_path, shop, seven)
    assert shop.hit
    assert findings == []
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}


def leads_away(shop: PlantedShop, method: str, path: str, kept: Kept) -> Answered:
    """Instead of doing what was asked for."""
    if (method, path) == ("POST", "/cart") and shop.requests % 20 == 0:
        shop.hit.append(kept.user)
        return 302, "https://sso.example.com/authorize"
    return None


def test_a_write_that_was_led_to_another_origin_is_not_acknowledged(tmp_path: Path) -> None:
    with serving(PlantedShop(leads_away)) as shop:
        result, findings, _ = loaded(tmp_path, shop, CART)
    assert shop.hit
    assert findings == []
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
