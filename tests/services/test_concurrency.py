"""Many requests of one session at once, through the whole replica: none is lost, none is mixed up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from services import contract
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, sample

THREADS, WRITES = 8, 25


def at_once(works: list[Callable[[], None]]) -> None:
    """Run all in threads; the first failure fails the test."""
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - handed to the main thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_concurrent_writes_of_one_session_all_count(make_replica: MakeReplica) -> None:
    replica = make_replica("stateful")
    first = Shopper(replica, 111)
    first.login()

    def write(tab: Shopper) -> None:
        for number in range(WRITES):
            if number % 2:
                tab.act("looked")
            else:
                tab.add(1 + number % 3)

    tabs = [first.moved_to(replica) for _ in range(THREADS)]
    at_once([partial(write, tab) for tab in tabs])
    content = first.total()
    assert content["version"] == THREADS * WRITES
    assert sum(line["quantity"] for line in content["lines"]) == THREADS * (WRITES // 2 + 1)


def test_session_and_database_agree_on_concurrent_preferences(make_replica: MakeReplica) -> None:
    replica = make_replica("stateful")
    first = Shopper(replica, 112)
    first.login()

    def write(tab: Shopper, name: str) -> None:
        for number in range(WRITES):
            tab.prefer(**{"shared": f"{name}{number}", name: str(number)})

    tabs = [first.moved_to(replica) for _ in range(4)]
    at_once([partial(write, tab, name) for tab, name in zip(tabs, "abcd", strict=True)])
    held = first.get(contract.PROFILE)
    assert held["version"] == 4 * WRITES
    lasting = Shopper(replica, 112).login().get_json()["preferences"]
    assert held["preferences"] == lasting
    assert all(lasting[name] == str(WRITES - 1) for name in "abcd")


def test_nobody_sees_another_user_under_concurrent_logins_and_logouts(make_replica: MakeReplica) -> None:
    replica = make_replica("stateful")

    def live(user_id: int) -> None:
        for round_ in range(3):
            shopper = Shopper(replica, user_id)
            shopper.login()
            for number in range(8):
                shopper.act(f"{user_id}/{round_}/{number}")
                content = shopper.get(contract.DASHBOARD)
                assert content["user_id"] == user_id
                assert content["version"] == number + 1
                assert all(action.startswith(f"{user_id}/{round_}/") for action in content["recent_activity"])
            shopper.send("POST", contract.LOGOUT, {})

    at_once([partial(live, user_id) for user_id in range(121, 129)])
    assert sample(replica, "statefall_sessions_active") == 0
    assert sample(replica, "statefall_sessions_created_total") == 24
