"""An open WebSocket and its session: what is said while the store is away, or when the session moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services import contract
from tests.services.backing import Valkey, wait_until
from tests.services.conftest import KEY
from tests.services.live import Live, Serve, User, figure, replicas
from tests.services.sessions.processes import wait_for_peers


@pytest.fixture
def start(database_url: str, valkey: Valkey) -> Iterator[Serve]:
    with replicas(database_url, valkey) as start:
        yield start


def test_while_the_store_is_away_a_websocket_is_marked_degraded(start: Serve, valkey: Valkey) -> None:
    served = start(STATE="external", STATE_KEYS=KEY)
    user = User(served, 228)
    user.request("POST", contract.ACTIVITY, {"action": "looked"})
    with user.connect() as live:
        assert session_headers(live) == ("known", "1")
        for message in (live.next("welcome"), live.ask("reply", "chat", text="hello")):
            assert message["version"] == 1
            assert "degraded" not in message
        valkey.stop()
        reply = live.ask("reply", "chat", text="hello?")
        assert (reply["degraded"], reply["version"]) == (True, 0)
        with user.connect() as another:
            assert session_headers(another) == ("degraded", None)
            welcome = another.next("welcome")
            assert (welcome["degraded"], welcome["user_id"]) == (True, 228)


def session_headers(live: Live) -> tuple[str | None, str | None]:
    response = live.connection.response
    assert response is not None
    return response.headers.get(contract.SESSION_HEADER), response.headers.get(contract.VERSION_HEADER)


def test_a_session_that_moved_to_another_replica_is_not_told_lost(start: Serve) -> None:
    here = start(STATE="replicated", STATE_KEYS=KEY)
    there = start(pod="pod-b", STATE="replicated", STATE_KEYS=KEY)
    wait_for_peers(here, there)
    user = User(here, 227)
    user.request("GET", contract.ORDERS)
    with user.welcomed() as live:
        user.request("POST", contract.ACTIVITY, {"action": "over there"}, at=there)
        wait_until(
            lambda: figure(here, "statefall_database_connections") == 0,
            "the replica noticed that the session moved, and gave up what was its own alone",
        )
        reply = live.ask("reply", "chat", text="still here")
        assert reply["version"] == 1
        assert figure(here, "statefall_sessions_active") == 1  # the message fetched it
        user.request("POST", contract.ACTIVITY, {"action": "and there again"}, at=there)
        assert live.ask("reply", "chat", text="still here")["version"] == 2
        user.request("POST", contract.LOGOUT, {}, at=there)
        assert live.next("session_lost")["code"] == "unauthenticated"
        assert live.closed()[0] == contract.CLOSE_SESSION_LOST
    assert figure(here, "statefall_websockets_told_lost_total") == 1
    assert figure(here, "statefall_sessions_lost_total", cause="unknown") == 0
