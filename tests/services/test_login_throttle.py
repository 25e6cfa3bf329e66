"""Guessing passwords gets slow, at every replica; logging in does not."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from services import contract
from services.login_throttle import OwnCounts, network
from services.replica import Replica
from tests.services.backing import Valkey
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code, sample

FEW = {"login_failures_per_user": 3, "login_failures_per_address": 8}


def log_in(
    replica: Replica, user: str, password: str = "wrong", address: str = "10.0.0.1", **headers: str
) -> TestResponse:
    return replica.app.test_client().post(
        contract.LOGIN,
        json={"user": user, "password": password},
        environ_base={"REMOTE_ADDR": address},
        headers=headers,
    )


def test_a_user_is_guessed_at_only_so_often(make_replica: MakeReplica, twin: str) -> None:
    replica = make_replica(twin, **FEW)
    for _ in range(3):
        assert error_code(log_in(replica, "user101")) == "bad_credentials"
    answer = log_in(replica, "user101", "shopper", address="10.0.0.2")
    assert (answer.status_code, error_code(answer)) == (429, "throttled")
    assert 290 < int(answer.headers["Retry-After"]) <= 300
    assert "Set-Cookie" not in answer.headers
    assert "token" not in answer.text
    assert sample(replica, "statefall_logins_throttled_total", by="user") == 1
    assert log_in(replica, "user102", "shopper").status_code == 200


def test_users_that_do_not_exist_are_throttled_alike(make_replica: MakeReplica, twin: str) -> None:
    replica = make_replica(twin, **FEW)
    codes = [error_code(log_in(replica, "nobody")) for _ in range(4)]
    assert codes == ["bad_credentials"] * 3 + ["throttled"]


def test_replicas_count_together(make_replica: MakeReplica) -> None:
    here = make_replica("stateless", **FEW)
    there = make_replica("stateful", pod="pod-b", **FEW)
    for replica in (here, there, here):
        assert error_code(log_in(replica, "user103")) == "bad_credentials"
    assert error_code(log_in(there, "user103", "shopper")) == "throttled"


def test_an_address_guesses_only_so_often_whoever_it_tries(make_replica: MakeReplica, twin: str) -> None:
    replica = make_replica(twin, **FEW)
    for user_id in range(111, 119):
        assert error_code(log_in(replica, f"user{user_id}")) == "bad_credentials"
    assert error_code(log_in(replica, "user120", "shopper")) == "throttled"
    assert log_in(replica, "user120", "shopper", address="10.0.0.2").status_code == 200
    assert sample(replica, "statefall_logins_throttled_total", by="address") == 1


def test_any_number_of_shoppers_log_in_from_one_address(make_replica: MakeReplica, twin: str) -> None:
    replica = make_replica(twin, **FEW)
    for _ in range(4):
        for user_id in range(121, 126):
            assert log_in(replica, f"user{user_id}", "shopper").status_code == 200


def test_a_count_ends_when_its_window_does(make_replica: MakeReplica, valkey: Valkey) -> None:
    replica = make_replica("stateless", **FEW)
    for _ in range(4):
        log_in(replica, "user126")
    keys = valkey.client.keys("throttle:*")
    assert len(keys) == 2
    for key in keys:
        assert 290_000 < valkey.client.pttl(key) <= 300_000
        valkey.client.pexpire(key, 1)
    while valkey.client.exists(*keys):
        pass
    assert log_in(replica, "user126", "shopper").status_code == 200


def test_further_failures_do_not_lengthen_the_window(make_replica: MakeReplica, valkey: Valkey) -> None:
    replica = make_replica("stateless", **FEW)
    log_in(replica, "user127")
    for key in valkey.client.keys("throttle:*"):
        valkey.client.pexpire(key, 200_000)
    log_in(replica, "user127")
    assert all(valkey.client.pttl(key) <= 200_000 for key in valkey.client.keys("throttle:*"))


def test_without_the_store_each_replica_counts_for_itself(
    make_replica: MakeReplica, valkey: Valkey, twin: str
) -> None:
    here, there = make_replica(twin, **FEW), make_replica(twin, pod="pod-b", **FEW)
    valkey.stop()
    codes = [error_code(log_in(here, "user128")) for _ in range(4)]
    assert codes == ["bad_credentials"] * 3 + ["throttled"]
    assert error_code(log_in(there, "user128")) == "bad_credentials"
    assert log_in(here, "user129", "shopper").status_code == 200


def test_0_turns_a_limit_off(make_replica: MakeReplica, valkey: Valkey) -> None:
    replica = make_replica("stateless", login_failures_per_user=0, login_failures_per_address=0)
    assert {error_code(log_in(replica, "user130")) for _ in range(12)} == {"bad_credentials"}
    assert not valkey.client.keys("throttle:*")


def test_what_is_not_a_login_is_not_counted(make_replica: MakeReplica, valkey: Valkey) -> None:
    shopper = Shopper(make_replica("stateless", **FEW), 131)
    for _ in range(4):
        assert shopper.send("POST", contract.LOGIN, {"user": "user131"}).status_code == 400
        assert shopper.send("GET", contract.PROFILE).status_code == 401
    assert shopper.login().status_code == 200


def test_the_store_learns_no_names(make_replica: MakeReplica, valkey: Valkey) -> None:
    log_in(make_replica("stateless"), "my-secret-typed-into-the-wrong-field")
    assert not any(b"secret" in key for key in valkey.client.keys("*"))


def test_forwarded_addresses_count_only_behind_a_trusted_proxy(make_replica: MakeReplica) -> None:
    guesses = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(9)]
    direct = make_replica("stateless", **FEW)
    codes = [
        error_code(log_in(direct, f"user{number}", **guess)) for number, guess in enumerate(guesses, 140)
    ]
    assert codes == ["bad_credentials"] * 8 + ["throttled"]
    behind = make_replica("stateless", trusted_proxies=1, **FEW)
    codes = [
        error_code(log_in(behind, f"user{number}", **guess)) for number, guess in enumerate(guesses, 160)
    ]
    assert codes == ["bad_credentials"] * 9
    # What the client itself put there stands before what the proxy added, and changes nothing.
    lying = {"X-Forwarded-For": "198.51.100.7, 192.0.2.200"}
    for number in range(180, 188):
        log_in(behind, f"user{number}", **lying)
    honest = log_in(behind, "user188", **{"X-Forwarded-For": "192.0.2.200"})
    assert error_code(honest) == "throttled"


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::"),
        ("", "unknown"),
        (None, "unknown"),
        ("somewhere", "unknown"),
    ],
)
def test_an_ipv6_address_counts_as_its_network(address: str | None, counts_as: str) -> None:
    assert network(address) == counts_as


def test_own_counts_are_bounded_and_end() -> None:
    now = [0.0]
    counts = OwnCounts(10.0, capacity=2, clock=lambda: now[0])
    counts.count("a")
    now[0] = 4.0
    counts.count("a")
    assert (counts.look("a").failures, counts.look("a").left_s) == (2, 6.0)
    now[0] = 10.0
    assert counts.look("a").failures == 0
    counts.count("a")
    counts.count("b")
    counts.count("c")
    assert [counts.look(key).failures for key in "abc"] == [0, 1, 1]
