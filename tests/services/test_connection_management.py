"""Each session has one database connection with prepared statements, up to a limit that refuses cleanly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from services import contract
from services.metrics import Metrics
from services.refusals import Overloaded, Unavailable
from services.replica import Replica
from services.stateful.connection_management import StatefulConnectionManagement
from services.stateful.orders import PAGE_SIZE, STATEMENT
from tests.services.backing import wait_until
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code, sample

LIMIT = 3
PREPARED = "SELECT statement FROM pg_prepared_statements WHERE name LIKE '_pg3_%%'"


@pytest.fixture
def replica(make_replica: MakeReplica) -> Replica:
    return make_replica("stateful", session_connections=LIMIT)


@pytest.fixture
def connections(database_url: str) -> Iterator[StatefulConnectionManagement]:
    managed = StatefulConnectionManagement(database_url, LIMIT, Metrics("pod", "boot"))
    yield managed
    managed.close()


def logged_in(replica: Replica, user_id: int) -> Shopper:
    shopper = Shopper(replica, user_id)
    assert shopper.login().status_code == 200
    return shopper


def held(replica: Replica) -> float:
    return sample(replica, "statefall_database_connections")


def test_orders_are_the_users_purchases_newest_first(replica: Replica) -> None:
    content = logged_in(replica, 41).get(contract.ORDERS)
    with replica.database.connection() as connection:
        bought = connection.execute(
            "SELECT product_id FROM purchases WHERE user_id = 41 ORDER BY bought_at DESC, product_id"
        ).fetchall()
    assert [order["product_id"] for order in content["orders"]] == [row[0] for row in bought][:PAGE_SIZE]
    times = [order["bought_at"] for order in content["orders"]]
    assert times == sorted(times, reverse=True)
    assert content["version"] == 0


def test_a_session_uses_one_connection_again_and_again(replica: Replica) -> None:
    shopper = logged_in(replica, 42)
    assert held(replica) == 0
    first = shopper.get(contract.ORDERS)["connection"]
    second = shopper.get(f"{contract.ORDERS}?page=2")["connection"]
    assert (first["uses"], second["uses"]) == (1, 2)
    assert first["opened_at"] == second["opened_at"]
    assert held(replica) == 1


def test_statements_are_prepared_on_the_server_once(connections: StatefulConnectionManagement) -> None:
    for page in range(5):
        connections.query("a", STATEMENT, (43, PAGE_SIZE, page * PAGE_SIZE))
    prepared = [row[0] for row in connections.query("a", PREPARED, ()).rows]
    assert [text for text in prepared if "FROM purchases" in text] == [STATEMENT.replace("%s", "$1", 1)
        .replace("%s", "$2", 1).replace("%s", "$3", 1)]  # fmt: skip
    # Another session's connection has plans of its own: none yet.
    assert not [r for r in connections.query("b", PREPARED, ()).rows if "FROM purchases" in r[0]]


def test_logout_closes_the_connection(replica: Replica) -> None:
    shopper = logged_in(replica, 44)
    shopper.get(contract.ORDERS)
    assert shopper.send("POST", contract.LOGOUT, {}).status_code == 200
    assert held(replica) == 0


def test_a_new_login_closes_the_connection_of_the_old_session(replica: Replica) -> None:
    shopper = logged_in(replica, 45)
    shopper.get(contract.ORDERS)
    shopper.login()
    assert held(replica) == 0


def test_expiry_closes_the_connection_without_anybody_asking(make_replica: MakeReplica) -> None:
    replica = make_replica("stateful", session_ttl_s=4.0)
    logged_in(replica, 46).get(contract.ORDERS)
    assert held(replica) == 1
    wait_until(lambda: held(replica) == 0, "the connection of an expired session is closed")


def test_at_the_limit_a_session_is_refused_at_once_and_loses_nothing(replica: Replica) -> None:
    shoppers = [logged_in(replica, user_id) for user_id in range(50, 50 + LIMIT + 1)]
    for shopper in shoppers[:LIMIT]:
        shopper.get(contract.ORDERS)
    begin = time.monotonic()
    refused = shoppers[LIMIT].send("GET", contract.ORDERS)
    took_s = time.monotonic() - begin
    assert (refused.status_code, error_code(refused)) == (503, "overloaded")
    assert took_s < 5.0  # it waits for nothing
    assert shoppers[LIMIT].get(contract.PROFILE)["user_id"] == 50 + LIMIT
    assert held(replica) == LIMIT
    assert sample(replica, "statefall_database_connections_refused_total") == 1
    # Those who have one are not disturbed, and one that is given back serves the next.
    shoppers[0].get(contract.ORDERS)
    shoppers[0].send("POST", contract.LOGOUT, {})
    shoppers[LIMIT].get(contract.ORDERS)


def test_many_sessions_at_once_get_no_more_than_the_limit(connections: StatefulConnectionManagement) -> None:
    def ask(number: int) -> bool:
        try:
            connections.query(f"session {number}", "SELECT pg_backend_pid()", ())
        except Overloaded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        served = list(pool.map(ask, range(40)))
    assert sum(served) == LIMIT
    assert len(connections.held_sessions()) == LIMIT


def test_the_databases_own_limit_is_refused_as_cleanly(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 1")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO narrow")
        managed = StatefulConnectionManagement(
            database_url.replace("shop@", "narrow@"), 10, Metrics("pod", "boot")
        )
        try:
            managed.query("a", "SELECT 1", ())
            with pytest.raises(Overloaded):
                managed.query("b", "SELECT 1", ())
            assert managed.held_sessions() == {"a"}
        finally:
            managed.close()
            admin.execute("DROP OWNED BY narrow")
            admin.execute("DROP ROLE narrow")


def test_a_broken_connection_is_replaced_by_the_next_query(
    connections: StatefulConnectionManagement, database_url: str
) -> None:
    pid = connections.query("a", "SELECT pg_backend_pid()", ()).rows[0][0]
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(Unavailable):
        connections.query("a", "SELECT 1", ())
    again = connections.query("a", "SELECT pg_backend_pid()", ())
    assert again.rows[0][0] != pid
    assert again.uses == 1


def test_a_session_that_is_busy_is_refused_not_hung(connections: StatefulConnectionManagement) -> None:
    connections.query("a", "SELECT 1", ())
    with connections._held["a"].lock, pytest.raises(Overloaded):  # as a query that takes long
        connections.query("a", "SELECT 1", ())
    assert connections.query("a", "SELECT 1", ()).uses == 2


def test_the_database_being_away_is_told(connections: StatefulConnectionManagement) -> None:
    away = StatefulConnectionManagement("postgresql://shop@127.0.0.1:1/none", 1, Metrics("pod", "boot"))
    with pytest.raises(Unavailable):
        away.query("a", "SELECT 1", ())
    assert away.held_sessions() == frozenset()


@pytest.mark.parametrize("page", ["0", "-1", "10000", "x", "1 OR 1=1"])
def test_a_page_is_a_number(replica: Replica, page: str) -> None:
    answer = logged_in(replica, 47).send("GET", f"{contract.ORDERS}?page={page}")
    assert (answer.status_code, error_code(answer)) == (400, "bad_request")


def test_closing_the_replica_closes_all(make_replica: MakeReplica, database_url: str) -> None:
    replica = make_replica("stateful")
    logged_in(replica, 48).get(contract.ORDERS)
    replica.close()
    with psycopg.connect(database_url, autocommit=True) as admin:
        wait_until(
            lambda: admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'statefall-session'"
            ).fetchone() == (0,),
            "the server has no session's connection left",
        )  # fmt: skip
