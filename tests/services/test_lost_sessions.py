"""A session that is not here is never made up: its user is told, and it is counted with its cause."""

from __future__ import annotations

import pytest

from services import contract
from services.replica import Replica
from services.stateful.lookup import Cause
from tests.services.backing import wait_until
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code, sample


@pytest.fixture
def replica(make_replica: MakeReplica) -> Replica:
    return make_replica("stateful")


@pytest.fixture
def shopper(replica: Replica) -> Shopper:
    shopper = Shopper(replica, 71)
    shopper.login()
    shopper.add(1)
    return shopper


REQUESTS = [
    ("GET", contract.PROFILE, None),
    ("GET", contract.DASHBOARD, None),
    ("POST", contract.LOGOUT, {}),
    ("POST", contract.CART_TOTAL, {}),
    ("POST", contract.CART_ITEMS, {"product_id": 1, "quantity": 1}),
    ("POST", contract.ACTIVITY, {"action": "looked"}),
    ("PUT", contract.PREFERENCES, {"preferences": {"theme": "dark"}}),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_every_route_tells_that_the_session_is_lost(
    make_replica: MakeReplica, shopper: Shopper, method: str, path: str, body: object
) -> None:
    moved = shopper.moved_to(make_replica("stateful", pod="pod-b", boot="other"))
    answer = moved.send(method, path, body)
    assert (answer.status_code, error_code(answer)) == (401, "session_lost")
    assert answer.headers[contract.SESSION_HEADER] == "lost"
    assert contract.VERSION_HEADER not in answer.headers
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("pod", "boot", "cause"),
    [("pod-a", "second", "restarted"), ("pod-b", "second", "elsewhere"), ("pod-a", "first", "unknown")],
)
def test_the_cause_is_told_from_the_cookie(
    make_replica: MakeReplica, pod: str, boot: str, cause: str
) -> None:
    home = make_replica("stateful", pod="pod-a", boot="first")
    there = make_replica("stateful", pod=pod, boot=boot)
    for user_id in (72, 73):
        shopper = Shopper(home, user_id)
        shopper.login()
        moved = shopper.moved_to(there)
        for _ in range(3):  # a user who asks again has still lost one session
            assert moved.send("GET", contract.PROFILE).status_code == 401
    assert sample(there, "statefall_sessions_lost_total", cause=cause) == 2
    assert sample(there, "statefall_sessions_active") == 0
    assert sample(home, "statefall_sessions_active") == 2


def test_a_user_who_comes_back_home_finds_everything(make_replica: MakeReplica, shopper: Shopper) -> None:
    moved = shopper.moved_to(make_replica("stateful", pod="pod-b", boot="other"))
    assert moved.send("GET", contract.PROFILE).status_code == 401
    assert [line["product_id"] for line in shopper.total()["lines"]] == [1]


def test_an_expired_session_is_told_from_a_lost_one(make_replica: MakeReplica) -> None:
    replica = make_replica("stateful", session_ttl_s=0.01)
    shopper = Shopper(replica, 74)
    shopper.login()
    wait_until(lambda: sample(replica, "statefall_sessions_active") == 0, "the session expired")
    for _ in range(2):
        answer = shopper.send("GET", contract.PROFILE)
        assert (answer.status_code, error_code(answer)) == (401, "session_expired")
        assert answer.headers[contract.SESSION_HEADER] == "expired"
    assert sample(replica, "statefall_sessions_lost_total", cause="expired") == 1


def test_a_forged_cookie_is_no_session_at_all(replica: Replica, shopper: Shopper) -> None:
    assert shopper.cookie is not None
    other = Shopper(replica, 75)
    other.cookie = shopper.cookie[:-1] + ("0" if shopper.cookie[-1] != "0" else "1")
    answer = other.send("GET", contract.PROFILE)
    assert (answer.status_code, error_code(answer)) == (401, "unauthenticated")
    assert contract.SESSION_HEADER not in answer.headers
    assert sample(replica, "statefall_forged_total") == 1
    assert sum(sample(replica, "statefall_sessions_lost_total", cause=cause) for cause in Cause) == 0


def test_a_logged_out_session_is_over_and_not_lost(replica: Replica, shopper: Shopper) -> None:
    cookie = shopper.cookie
    answer = shopper.send("POST", contract.LOGOUT, {})
    assert answer.status_code == 200
    assert shopper.cookie is None
    assert sample(replica, "statefall_sessions_active") == 0
    shopper.cookie = cookie
    answer = shopper.send("GET", contract.PROFILE)
    assert (answer.status_code, error_code(answer)) == (401, "unauthenticated")
    assert sum(sample(replica, "statefall_sessions_lost_total", cause=cause) for cause in Cause) == 0


def test_a_login_never_adopts_the_cookie_that_came_with_it(replica: Replica, shopper: Shopper) -> None:
    planted = shopper.cookie
    victim = Shopper(replica, 76)
    victim.cookie = planted
    assert victim.login().status_code == 200
    assert victim.cookie != planted
    assert victim.total()["lines"] == []
    attacker = Shopper(replica, 71)
    attacker.cookie = planted
    assert attacker.send("GET", contract.PROFILE).status_code == 401  # it ended with the login
    assert sample(replica, "statefall_sessions_active") == 1


def test_a_login_with_a_nonsense_cookie_works(replica: Replica) -> None:
    shopper = Shopper(replica, 77)
    shopper.cookie = "nonsense"
    assert shopper.login().status_code == 200
    assert shopper.get(contract.PROFILE)["user_id"] == 77


def test_a_failed_login_leaves_the_session_alone(shopper: Shopper) -> None:
    assert shopper.login(password="wrong").status_code == 401
    assert [line["product_id"] for line in shopper.total()["lines"]] == [1]


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_is_kept_from_scripts_and_other_sites(make_replica: MakeReplica, secure: bool) -> None:
    shopper = Shopper(make_replica("stateful", secure_cookies=secure), 78)
    cookie = shopper.login().headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert ("Secure" in cookie) is secure
    assert "Domain" not in cookie


def test_sessions_are_counted_at_every_moment(replica: Replica) -> None:
    shoppers = [Shopper(replica, user_id) for user_id in range(81, 86)]
    for number, shopper in enumerate(shoppers, 1):
        shopper.login()
        assert sample(replica, "statefall_sessions_active") == number
        assert sample(replica, "statefall_sessions_created_total") == number
    shoppers[0].send("POST", contract.LOGOUT, {})
    assert sample(replica, "statefall_sessions_active") == 4
    assert sample(replica, "statefall_sessions_created_total") == 5


def test_every_cause_is_shown_before_anything_is_lost(replica: Replica) -> None:
    text = replica.metrics.exposition().decode()
    assert all(f'statefall_sessions_lost_total{{cause="{cause}"}} 0.0' in text for cause in Cause)
