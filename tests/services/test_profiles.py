"""StatelessUserService: cache-aside, with invalidation, and the database when the cache is away."""

from __future__ import annotations

import json

import pytest

from services import contract
from services.refusals import NotFound
from services.replica import Replica
from services.shop.accounts import Accounts
from services.stateless.user_service import StatelessUserService
from tests.services.backing import Valkey
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, sample


@pytest.fixture
def replica(make_replica: MakeReplica) -> Replica:
    return make_replica("stateless")


@pytest.fixture
def users(replica: Replica) -> StatelessUserService:
    return StatelessUserService(Accounts(replica.database), replica.store, 300)


def test_a_profile_is_read_from_the_database_once(users: StatelessUserService, valkey: Valkey) -> None:
    fetched = users.profile(61, 0)
    assert 299_000 < int(str(valkey.client.pttl("profile:61"))) <= 300_000
    # The cache answers from now on: what it holds is what is returned.
    document = json.loads(valkey.client.get("profile:61") or b"")
    document["name"] = "from the cache"
    valkey.client.set("profile:61", json.dumps(document))
    cached = users.profile(61, 0)
    assert cached.name == "from the cache"
    assert (cached.user_id, cached.preferences, cached.permissions) == (
        fetched.user_id,
        fetched.preferences,
        fetched.permissions,
    )


def test_a_change_removes_the_cached_profile(users: StatelessUserService, valkey: Valkey) -> None:
    users.profile(62, 0)
    users.set_preferences(62, {"theme": "neon"})
    assert valkey.client.get("profile:62") is None
    assert users.profile(62, 0).preferences.values["theme"] == "neon"


def test_a_copy_older_than_what_the_client_knows_is_not_used(
    users: StatelessUserService, valkey: Valkey
) -> None:
    users.profile(63, 0)
    stale = valkey.client.get("profile:63")
    newest = users.set_preferences(63, {"theme": "neon"})
    valkey.client.set("profile:63", stale or b"")  # as a slow reader would
    assert users.profile(63, newest.version).preferences.values["theme"] == "neon"
    assert users.profile(63, newest.version - 1).preferences.values["theme"] == "neon"  # and it was mended


def test_nobody_is_not_found(users: StatelessUserService) -> None:
    with pytest.raises(NotFound, match="no user 999999"):
        users.profile(999_999, 0)


def test_without_the_store_it_is_slower_but_not_down(replica: Replica, valkey: Valkey) -> None:
    shopper = Shopper(replica, 64)
    shopper.login()
    shopper.get(contract.PROFILE)
    valkey.stop()
    assert shopper.get(contract.PROFILE)["user_id"] == 64
    assert shopper.prefer(theme="offline")["preferences"]["theme"] == "offline"
    assert shopper.get(contract.DASHBOARD)["preferences"]["theme"] == "offline"
    assert shopper.send("GET", contract.READY).status_code == 200
    assert sample(replica, "statefall_store_errors_total", call="get") >= 2
    assert sample(replica, "statefall_store_errors_total", call="delete") == 1
    valkey.start()
    shopper.get(contract.PROFILE)
    assert valkey.client.exists("profile:64")
