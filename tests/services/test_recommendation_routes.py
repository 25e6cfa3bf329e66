"""Both twins recommend the same; one computes it again each time, the other remembers."""

from __future__ import annotations

import pytest

from services import contract
from services.replica import Replica
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code, sample


def logged_in(replica: Replica, user_id: int) -> Shopper:
    shopper = Shopper(replica, user_id)
    assert shopper.login().status_code == 200
    return shopper


def look_ups(replica: Replica, cache: str, result: str) -> float:
    return sample(replica, "statefall_cache_requests_total", cache=cache, result=result)


def test_the_twins_recommend_the_same_to_everybody(make_replica: MakeReplica) -> None:
    stateless, stateful = make_replica("stateless"), make_replica("stateful")
    seen = set()
    for user_id in range(71, 79):
        one, other = logged_in(stateless, user_id), logged_in(stateful, user_id)
        for _ in range(2):
            items = one.get(contract.RECOMMENDATIONS)["items"]
            assert items == other.get(contract.RECOMMENDATIONS)["items"]
        assert len(items) == 10
        assert [item["score"] for item in items] == sorted((item["score"] for item in items), reverse=True)
        seen.add(str(items))
    assert len(seen) > 4, "recommendations hardly depend on the user"


def test_what_was_bought_or_is_not_for_sale_is_not_recommended(replica: Replica) -> None:
    for user_id in (81, 82, 83):
        shopper = logged_in(replica, user_id)
        bought = {item["product_id"] for item in shopper.get(contract.DASHBOARD)["recent_purchases"]}
        items = shopper.get(contract.RECOMMENDATIONS)["items"]
        assert bought.isdisjoint(item["product_id"] for item in items)
        for item in items:
            product = shopper.get(f"/products/{item['product_id']}")
            assert (product["available"], product["name"]) == (True, item["name"])


def test_a_changed_favourite_is_heeded_at_once(make_replica: MakeReplica) -> None:
    after = []
    for twin in ("stateless", "stateful"):
        shopper = logged_in(make_replica(twin, recommendation_ttl_s=1000.0), 84)
        plain = shopper.get(contract.RECOMMENDATIONS)["items"]
        assert shopper.get(contract.RECOMMENDATIONS)["cached"] is True
        last_of_all = plain[-1]["name"].split()[1]
        shopper.prefer(favourite=last_of_all)
        fond = shopper.get(contract.RECOMMENDATIONS)
        assert fond["cached"] is False
        assert fond["items"] != plain
        after.append(fond["items"])
        shopper.prefer(favourite="none")
        assert shopper.get(contract.RECOMMENDATIONS)["items"] == plain
    assert after[0] == after[1]


def test_the_stateless_twin_computes_for_each_request(make_replica: MakeReplica) -> None:
    replica = make_replica("stateless")
    shopper = logged_in(replica, 85)
    answers = [shopper.get(contract.RECOMMENDATIONS) for _ in range(3)]
    assert [answer["cached"] for answer in answers] == [False] * 3
    assert len({answer["computed_at"] for answer in answers}) == 3
    assert sample(replica, "statefall_overhead_seconds_count", part="recomputation") == 3
    assert sample(replica, "statefall_overhead_cpu_seconds_total", part="recomputation") > 0
    assert look_ups(replica, "recommendations", "miss") == 0


def test_a_setting_puts_the_results_into_the_shared_cache(make_replica: MakeReplica) -> None:
    here = make_replica("stateless", recommendation_ttl_s=1000.0)
    there = make_replica("stateless", recommendation_ttl_s=1000.0, pod="pod-b")
    shopper = logged_in(here, 86)
    first = shopper.get(contract.RECOMMENDATIONS)
    second = shopper.moved_to(there).get(contract.RECOMMENDATIONS)
    assert (first["cached"], second["cached"]) == (False, True)
    assert (second["items"], second["computed_at"]) == (first["items"], first["computed_at"])
    assert look_ups(here, "recommendations", "miss") == 1
    assert look_ups(there, "recommendations", "hit") == 1


def test_the_stateful_twin_remembers_for_half_an_hour(make_replica: MakeReplica) -> None:
    replica = make_replica("stateful")
    shopper = logged_in(replica, 87)
    answers = [shopper.get(contract.RECOMMENDATIONS) for _ in range(3)]
    assert [answer["cached"] for answer in answers] == [False, True, True]
    assert len({answer["computed_at"] for answer in answers}) == 1
    assert look_ups(replica, "recommendations", "miss") == 1
    assert look_ups(replica, "recommendations", "hit") == 2
    shopper.prefer(theme="dark")
    assert shopper.get(contract.RECOMMENDATIONS)["cached"] is False
    assert look_ups(replica, "recommendations", "stale") == 1
    assert look_ups(replica, "purchases", "hit") == 1


@pytest.mark.parametrize("twin", ["stateful"])
def test_what_a_stateful_replica_computed_is_its_own(make_replica: MakeReplica, twin: str) -> None:
    here, there = make_replica(twin), make_replica(twin, pod="pod-b")
    first = logged_in(here, 88).get(contract.RECOMMENDATIONS)
    second = logged_in(there, 88).get(contract.RECOMMENDATIONS)
    assert second["cached"] is False
    assert second["items"] == first["items"]


def test_nothing_is_recommended_without_a_login(replica: Replica) -> None:
    answer = Shopper(replica).send("GET", contract.RECOMMENDATIONS)
    assert (answer.status_code, error_code(answer)) == (401, "unauthenticated")


def test_more_rounds_cost_more_and_find_other_products(make_replica: MakeReplica) -> None:
    items = []
    for rounds in (1, 40):
        replica = make_replica("stateless", recommendation_rounds=rounds)
        shopper = logged_in(replica, 89)
        items.append(shopper.get(contract.RECOMMENDATIONS)["items"])
    assert items[0] != items[1]
