"""What an answer shows of the user beside the session: another's name or purchases, and wrong sums."""

from __future__ import annotations

from typing import Any

import pytest

from shop.ledger.answer import Replica, read_answer
from shop.ledger.session import SessionLedger
from shop.ledger.sessions import ShopSessions
from statefall.ledger.session import Finding
from statefall.ledger.session_registry import SessionRegistry
from statefall.records.verdicts import Verdict

BOUGHT = {"ada": [(3, "Lamp", 1), (9, "Chair", 2)], "bob": [(4, "Desk", 1)]}
USERS = {"ada": 1, "bob": 2}


class Desk:
    """Two users of one shop."""

    def __init__(self) -> None:
        self.registry = SessionRegistry()
        self.shop = ShopSessions(self.registry, 1)
        self.sessions: dict[str, SessionLedger] = {}
        for user in USERS:
            assert self.log_in(user, user) == []
            assert self.see(user, **dashboard(user)) == []

    def log_in(self, user: str, name: str) -> list[Finding]:
        number = USERS[user]
        login = answer(number, version=0, name=name)
        self.sessions[user], found = self.shop.open(number, number, login, 0.0, client_held=False)
        return list(found)

    def see(self, user: str, **fields: Any) -> list[Finding]:
        seen = answer(USERS[user], version=0, **fields)
        return list(self.shop.observe(self.sessions[user], None, seen, 1.0))


def answer(user_id: int, **fields: Any) -> Any:
    headers = {"statefall-pod": "pod-a", "statefall-boot": "b1", "statefall-session": "known"}
    found = read_answer(200, headers, {"user_id": user_id, **fields})
    assert found.replica == Replica("pod-a", "b1")
    return found


def dashboard(user: str) -> dict[str, Any]:
    bought = [{"product_id": p, "name": n, "quantity": q} for p, n, q in BOUGHT[user]]
    return {"name": user, "recent_purchases": bought, "recent_activity": []}


def cart(total: float, line_total: float = 7.02) -> dict[str, Any]:
    line = {"product_id": 5, "quantity": 3, "unit_price": 2.34, "line_total": line_total}
    return {"lines": [line], "total": total}


def test_a_user_who_sees_their_own_is_told_nothing() -> None:
    desk = Desk()
    assert desk.log_in("ada", "ada") == []
    assert desk.see("ada", **dashboard("ada")) == []


def test_the_purchases_of_another_user_are_foreign() -> None:
    (found,) = Desk().see(
        "ada", **dashboard("ada") | {"recent_purchases": dashboard("bob")["recent_purchases"]}
    )
    assert (found.verdict, "recent purchases of user 2" in found.evidence) == (Verdict.FOREIGN, True)


def test_another_s_name_in_the_profile_is_foreign() -> None:
    (found,) = Desk().see("ada", name="bob", preferences={})
    assert found.verdict is Verdict.FOREIGN


def test_another_s_name_at_login_is_foreign() -> None:
    (found,) = Desk().log_in("ada", "bob")
    assert (found.verdict, found.evidence) == (Verdict.FOREIGN, "name of user 2 instead of the user's own")


def test_a_part_of_one_s_own_purchases_is_no_proof_of_a_leak_even_if_it_is_another_s_whole() -> None:
    desk = Desk()
    for number, bought in ((3, []), (4, dashboard("ada")["recent_purchases"][:1])):
        login = answer(number, version=0, recent_purchases=bought)
        desk.shop.open(number, number, login, 0.0, client_held=False)
        (found,) = Desk().see("ada", recent_purchases=bought)
        assert found.verdict is Verdict.ROLLED_BACK
        assert {f.verdict for f in desk.see("ada", recent_purchases=bought)} <= {Verdict.ROLLED_BACK}


def test_a_name_that_nobody_is_known_by_is_no_proof_of_a_leak() -> None:
    (found,) = Desk().see("ada", name="eve")
    assert found.verdict is Verdict.ROLLED_BACK


def test_users_of_one_name_are_not_taken_for_each_other() -> None:
    desk = Desk()
    alike = (3, 4)
    for number in alike:
        login = answer(number, version=0, name="kim")
        session, found = desk.shop.open(number, number, login, 0.0, client_held=False)
        assert found == ()
        assert desk.shop.observe(session, None, answer(number, version=0, name="kim"), 1.0) == ()


def test_a_product_s_name_is_not_the_user_s() -> None:
    assert read_answer(200, {}, {"product_id": 3, "name": "Lamp"}).name is None


@pytest.mark.parametrize(("total", "line_total"), [(7.03, 7.02), (7.01, 7.02), (7.03, 7.03)])
def test_a_cart_that_is_wrong_by_a_cent_is_found(total: float, line_total: float) -> None:
    assert answer(1, **cart(total, line_total)).wrong_sum


def test_a_cart_that_adds_up_is_right() -> None:
    assert answer(1, **cart(7.02)).wrong_sum == ""
    assert answer(1, lines=[], total=0.0).wrong_sum == ""
    many = [{"product_id": p, "quantity": q, "unit_price": c / 100, "line_total": q * c / 100}
            for p, q, c in ((1, 3, 1999), (2, 7, 1), (3, 99, 33333), (4, 1, 110))]  # fmt: skip
    assert answer(1, lines=many, total=(3 * 1999 + 7 + 99 * 33333 + 110) / 100).wrong_sum == ""
