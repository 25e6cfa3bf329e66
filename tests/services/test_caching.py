"""The shared cache: whose entries lie where, how they are warmed and purged, and that it may be gone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from services import contract
from services.replica import Replica
from services.stateless.caching import TENANTS, tenant_of
from services.stateless.product_pages import WARMED_PAGES
from services.stateless.purge import main as purge_main
from services.stateless.purge import purge
from tests.services.backing import Valkey, wait_until
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, sample


def look_ups(replica: Replica, cache: str, result: str) -> float:
    return sample(replica, "statefall_cache_requests_total", cache=cache, result=result)


def warmed(make_replica: MakeReplica, **changes: object) -> Replica:
    replica = make_replica("stateless", **changes)
    wait_until(
        lambda: sample(replica, "statefall_cache_warmed_total", cache="product_page") == WARMED_PAGES,
        "the common pages are warmed",
    )
    return replica


def test_every_user_has_one_tenant_and_all_tenants_have_users() -> None:
    tenants = [tenant_of(user_id) for user_id in range(1, 1000)]
    assert tenants == [tenant_of(user_id) for user_id in range(1, 1000)]
    assert len(set(tenants)) == TENANTS


def test_a_profile_is_read_once_and_then_found(make_replica: MakeReplica, valkey: Valkey) -> None:
    replica = make_replica("stateless")
    shopper = Shopper(replica, 91)
    shopper.login()
    for _ in range(3):
        shopper.get(contract.PROFILE)
    assert (look_ups(replica, "profile", "miss"), look_ups(replica, "profile", "hit")) == (1, 2)
    key = f"cache:1:{{{tenant_of(91)}}}:profile:91"
    assert 290_000 < valkey.client.pttl(key) <= 300_000
    assert sample(replica, "statefall_overhead_seconds_count", part="preference_fetch") == 3
    assert sample(replica, "statefall_overhead_seconds_count", part="token_validation") == 3


def test_a_change_removes_the_copy(make_replica: MakeReplica, valkey: Valkey) -> None:
    replica = make_replica("stateless")
    shopper = Shopper(replica, 92)
    shopper.login()
    shopper.get(contract.PROFILE)
    shopper.prefer(theme="neon")
    assert not valkey.client.exists(f"cache:1:{{{tenant_of(92)}}}:profile:92")
    assert shopper.get(contract.PROFILE)["preferences"]["theme"] == "neon"


def test_a_copy_that_is_too_old_is_seen_through(make_replica: MakeReplica, valkey: Valkey) -> None:
    """A slow reader puts back what a change has just removed."""
    replica = make_replica("stateless")
    shopper = Shopper(replica, 93)
    shopper.login()
    shopper.get(contract.PROFILE)
    key = f"cache:1:{{{tenant_of(93)}}}:profile:93"
    old = valkey.client.get(key)
    assert old is not None
    shopper.prefer(theme="neon")
    valkey.client.set(key, old)
    assert shopper.get(contract.PROFILE)["preferences"]["theme"] == "neon"
    assert look_ups(replica, "profile", "stale") == 1


def test_common_pages_are_warm_before_anybody_asks(make_replica: MakeReplica) -> None:
    replica = warmed(make_replica)
    shopper = Shopper(replica)
    for page in range(1, WARMED_PAGES + 1):
        assert shopper.get(f"/products?page={page}")["products"]
    assert look_ups(replica, "product_page", "hit") == WARMED_PAGES
    assert look_ups(replica, "product_page", "miss") == 0
    fresh = shopper.get(f"/products?page={WARMED_PAGES + 1}")
    assert look_ups(replica, "product_page", "miss") == 1
    assert shopper.get(f"/products?page={WARMED_PAGES + 1}") == fresh


def test_pages_are_the_same_from_cache_and_database(make_replica: MakeReplica) -> None:
    cached, direct = Shopper(warmed(make_replica)), Shopper(make_replica("stateful"))
    for page in (1, 2, 14, 15, 16):
        path = f"/products?page={page}"
        assert cached.get(path) == cached.get(path) == direct.get(path)


def test_warming_waits_for_nobody(make_replica: MakeReplica) -> None:
    nowhere = "postgresql://shop@127.0.0.1:9/postgres?connect_timeout=1"
    replica = make_replica("stateless", database_url=nowhere)
    assert replica.app.test_client().get(contract.LIVE).status_code == 200
    assert sample(replica, "statefall_cache_warmed_total", cache="product_page") == 0


def test_without_the_store_the_service_is_slower_and_not_down(
    make_replica: MakeReplica, valkey: Valkey
) -> None:
    replica = make_replica("stateless", recommendation_ttl_s=1000.0)
    shopper = Shopper(replica, 94)
    shopper.login()
    valkey.stop()
    assert shopper.get(contract.PROFILE)["user_id"] == 94
    assert shopper.prefer(theme="neon")["version"] == 1
    assert shopper.get(contract.DASHBOARD)["preferences"]["theme"] == "neon"
    assert shopper.get(contract.RECOMMENDATIONS)["cached"] is False
    assert len(shopper.get("/products?page=7")["products"]) == 20
    for cache in ("profile", "recommendations", "product_page"):
        assert look_ups(replica, cache, "unavailable") >= 1
    assert sample(replica, "statefall_store_errors_total", call="get") >= 1
    assert sample(replica, "statefall_store_refusals_total", reason="breaker") >= 1


def test_one_tenant_is_purged_and_the_others_stay_warm(make_replica: MakeReplica, valkey: Valkey) -> None:
    replica = warmed(make_replica)
    first, same, other = 101, 101 + TENANTS, 102
    for user_id in (first, same, other):
        shopper = Shopper(replica, user_id)
        shopper.login()
        shopper.get(contract.PROFILE)
    valkey.client.set("session:of-somebody", "untouched")
    before = valkey.client.dbsize()
    assert purge(valkey.url, tenant_of(first)) == 2
    assert valkey.client.dbsize() == before - 2
    assert purge(valkey.url, tenant_of(first)) == 0
    assert purge(valkey.url, "common") == WARMED_PAGES
    assert valkey.client.exists(f"cache:1:{{{tenant_of(other)}}}:profile:{other}")


def test_purging_is_a_command(valkey: Valkey) -> None:
    valkey.client.set("cache:1:{tenant-3}:profile:3", "x")
    command = [sys.executable, "-m", "services.stateless.purge", "tenant-3"]
    done = subprocess.run(
        command, env={**os.environ, "STATEFALL_STORE_URL": valkey.url}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "1 entries of tenant-3 removed\n")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:9/0", "nonsense"])
def test_a_store_that_cannot_be_purged_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert purge_main(["tenant-3", "--store-url", url]) == 2
    told = capsys.readouterr().err
    assert told.startswith("the cache could not be purged: ")
    assert told.count("\n") == 1
