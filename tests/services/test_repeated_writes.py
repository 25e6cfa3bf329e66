"""A write that comes again with the same operation id is answered as the first time, and not applied."""

from __future__ import annotations

from typing import Any

import pytest

from services import contract
from services.replica import Replica
from services.sessions.writes import REMEMBERED_WRITES
from services.settings import SessionDesign
from tests.services.backing import Valkey, wait_until
from tests.services.conftest import MakeReplica
from tests.services.serving import KEY
from tests.services.sessions.designs import EVERY
from tests.services.shopper import Shopper, sample

WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", contract.CART_ITEMS, {"product_id": 3, "quantity": 2}),
    ("POST", contract.ACTIVITY, {"action": "looked"}),
    ("PUT", contract.PREFERENCES, {"preferences": {"theme": "amber"}}),
]
SAY = ("POST", contract.CONVERSATION, {"text": "my name is Ada and I like 2 lamps"})


@pytest.fixture(params=EVERY)
def stateful(request: pytest.FixtureRequest, make_replica: MakeReplica) -> Replica:
    replica = make_replica("stateful", state=request.param, state_keys=(KEY,))
    if request.param is SessionDesign.REPLICATED:
        ready = replica.app.test_client()
        wait_until(lambda: ready.get(contract.READY).status_code == 200, "it knows who else is there")
    return replica


def named(name: str) -> dict[str, str]:
    return {contract.OPERATION_HEADER: name}


def test_each_write_is_answered_as_the_first_time(stateful: Replica) -> None:
    shopper = Shopper(stateful, 401)
    shopper.login()
    writes = [*WRITES, SAY]
    first = [shopper.send(*write, **named("the same id")) for write in writes]
    again = [shopper.send(*write, **named("the same id")) for write in writes]
    assert [answer.status_code for answer in first] == [200] * len(writes)
    assert [answer.get_json() for answer in again] == [answer.get_json() for answer in first]
    versions = [answer.headers[contract.VERSION_HEADER] for answer in again]
    assert versions == ["1", "2", "3", "4"]
    assert shopper.get(contract.PROFILE)["version"] == len(writes)
    assert shopper.total()["lines"][0]["quantity"] == 2
    assert sample(stateful, "statefall_repeated_writes_total") == len(writes)


def test_an_id_is_known_as_long_as_it_is_among_the_last_writes(stateful: Replica) -> None:
    shopper = Shopper(stateful, 402)
    shopper.login()
    act = ("POST", contract.ACTIVITY, {"action": "first"})
    first = shopper.send(*act, **named("first")).get_json()
    for number in range(REMEMBERED_WRITES - 1):
        shopper.act(f"later {number}")
    assert shopper.send(*act, **named("first")).get_json() == first
    shopper.act("one too many")
    assert shopper.send(*act, **named("first")).get_json()["version"] == REMEMBERED_WRITES + 2


def test_another_session_and_another_route_do_not_know_the_id(stateful: Replica) -> None:
    shopper, other = Shopper(stateful, 403), Shopper(stateful, 404)
    for one in (shopper, other):
        one.login()
        for write in WRITES[:2]:
            assert one.send(*write, **named("same")).status_code == 200
        assert one.get(contract.PROFILE)["version"] == 2


def test_an_old_change_of_preferences_does_not_come_back_over_a_newer_one(stateful: Replica) -> None:
    shopper, elsewhere = Shopper(stateful, 405), Shopper(stateful, 405)
    shopper.login()
    elsewhere.login()
    prefer = ("PUT", contract.PREFERENCES, {"preferences": {"theme": "old"}})
    first = shopper.send(*prefer, **named("change")).get_json()
    elsewhere.prefer(theme="newer")
    assert shopper.send(*prefer, **named("change")).get_json() == first
    newest = Shopper(stateful, 405)
    assert newest.login().get_json()["preferences"]["theme"] == "newer"


def test_a_write_that_was_refused_is_decided_again(stateful: Replica) -> None:
    shopper = Shopper(stateful, 406)
    shopper.login()
    nothing = {"product_id": 999_999, "quantity": 1}
    for _ in range(2):
        assert shopper.send("POST", contract.CART_ITEMS, nothing, **named("no")).status_code == 404
    assert shopper.send(*WRITES[0], **named("no")).get_json()["version"] == 1


def test_the_copy_of_a_replica_is_not_believed_when_the_store_has_gone_back(
    make_replica: MakeReplica, valkey: Valkey
) -> None:
    design = SessionDesign.WRITE_THROUGH
    here, there = (make_replica("stateful", state=design, state_keys=(KEY,)) for _ in range(2))
    shopper = Shopper(here, 407)
    shopper.login()
    (record,) = valkey.client.scan_iter("statefall:session:*")
    before = valkey.client.dump(record)
    assert isinstance(before, bytes)
    assert shopper.send(*WRITES[1], **named("act")).get_json()["version"] == 1
    valkey.client.restore(record, 0, before, replace=True)
    assert shopper.send(*WRITES[1], **named("act")).get_json()["recent_activity"] == ["looked"]
    assert shopper.moved_to(there).get(contract.DASHBOARD)["recent_activity"] == ["looked"]


def test_a_repeat_after_a_logout_elsewhere_is_refused(make_replica: MakeReplica) -> None:
    design = SessionDesign.WRITE_THROUGH
    here, there = (make_replica("stateful", state=design, state_keys=(KEY,)) for _ in range(2))
    shopper = Shopper(here, 408)
    shopper.login()
    shopper.send(*WRITES[1], **named("act"))
    shopper.moved_to(there).send("POST", contract.LOGOUT, {})
    assert shopper.send(*WRITES[1], **named("act")).status_code == 401


def test_a_token_knows_its_last_writes(make_replica: MakeReplica) -> None:
    replica = make_replica("stateless")
    shopper = Shopper(replica, 409)
    shopper.login()
    for write in WRITES:
        first = said(shopper.send(*write, **named("the same id")).get_json())
        assert said(shopper.send(*write, **named("the same id")).get_json()) == first
    assert shopper.get(contract.PROFILE)["version"] == len(WRITES)
    assert sample(replica, "statefall_repeated_writes_total") == len(WRITES)


def test_a_token_from_before_a_write_makes_the_same_of_it_again(make_replica: MakeReplica) -> None:
    replica = make_replica("stateless")
    shopper = Shopper(replica, 410)
    shopper.login()
    for write in WRITES:
        retry = shopper.moved_to(replica)  # with the token and the cart that the first try was sent with
        first = said(shopper.send(*write, **named("the same id")).get_json())
        assert said(retry.send(*write, **named("the same id")).get_json()) == first


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer of the stateless twin without what is of its moment: the token, and when it was priced."""
    cart = answer.get("cart", {"lines": []})["lines"], answer.get("lines", [])
    for lines in cart:
        for line in lines:
            line.pop("added_at")
    return {name: value for name, value in answer.items() if name not in {"token", "calculated_at"}}
