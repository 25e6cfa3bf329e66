"""What a replica counts is what happened."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services import contract
from services.metrics import Metrics, RecentlySeen
from services.replica import Replica
from tests.services.shopper import Shopper, sample

PROMISED = {
    "statefall_sessions_active",
    "statefall_sessions_created",
    "statefall_sessions_lost",
    "statefall_requests",
    "statefall_request_seconds",
    "statefall_store_seconds",
    "statefall_store_errors",
    "statefall_operations",
    "statefall_replica_info",
}


def test_every_promised_metric_can_be_scraped(replica: Replica) -> None:
    answer = replica.app.test_client().get(contract.METRICS)
    assert answer.content_type.startswith("text/plain")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert names >= PROMISED
    assert sample(replica, "process_cpu_seconds_total") > 0


def test_requests_are_counted_by_route_and_outcome(replica: Replica) -> None:
    shopper = Shopper(replica, 101)
    shopper.send("GET", contract.PROFILE)
    shopper.login()
    shopper.get(contract.PROFILE)
    shopper.get("/products/1")
    shopper.get("/products/2")

    def counted(route: str, outcome: str) -> float:
        return sample(replica, "statefall_requests_total", route=route, outcome=outcome)

    assert counted(contract.PROFILE, "unauthenticated") == 1
    assert counted(contract.PROFILE, "ok") == 1
    assert counted(contract.PRODUCT, "ok") == 2
    assert sample(replica, "statefall_request_seconds_count", route=contract.PROFILE) == 2


def test_operations_that_arrive_twice_are_counted_and_applied_once(replica: Replica) -> None:
    shopper = Shopper(replica, 102)
    assert shopper.login().status_code == 200
    before = sample(replica, "statefall_operations_total", repeated="no")
    for _ in range(2):
        answer = shopper.send(
            "POST", contract.ACTIVITY, {"action": "x"}, **{contract.OPERATION_HEADER: "same"}
        )
        assert answer.status_code == 200
    assert answer.get_json()["recent_activity"] == ["x"]
    assert answer.get_json()["version"] == 1
    assert sample(replica, "statefall_operations_total", repeated="no") == before + 1
    assert sample(replica, "statefall_operations_total", repeated="yes") == 1


def test_an_operation_is_counted_whatever_becomes_of_it(replica: Replica) -> None:
    client = replica.app.test_client()
    for number, path in enumerate(("/nowhere", contract.PROFILE, "/products/1")):
        client.get(path, headers={contract.OPERATION_HEADER: f"op {number}"})
    client.get(contract.READY)  # no operation of anyone
    assert sample(replica, "statefall_operations_total", repeated="no") == 3


def test_what_was_seen_is_remembered_up_to_a_bound() -> None:
    seen = RecentlySeen(3)
    assert [seen.add(key) for key in "abcab"] == [False, False, False, True, True]
    assert not seen.add("d")  # pushes out a, the oldest
    assert not seen.add("a")
    assert seen.add("d")


@pytest.mark.parametrize("cause", ["restarted", "elsewhere"])
def test_a_lost_session_is_counted_once(cause: str) -> None:
    metrics = Metrics("pod", "boot")
    for key in ("a", "b", "a"):
        metrics.lost(key, cause)
    assert metrics.registry.get_sample_value("statefall_sessions_lost_total", {"cause": cause}) == 2


def test_replicas_share_no_counts() -> None:
    one, other = Metrics("one", "1"), Metrics("other", "2")
    one.operation("x")
    other.operation("x")
    assert other.registry.get_sample_value("statefall_operations_total", {"repeated": "yes"}) == 0
