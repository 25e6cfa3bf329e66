"""An open WebSocket and its session: what is said when it ends or moves, or while the store is away."""

from __future__ import annotations

from services import contract
from tests.services.backing import Valkey, wait_until
from tests.services.live import Live, Serve, User, figure
from tests.services.serving import KEY, Served
from tests.services.sessions.processes import wait_for_peers


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


def test_logout_is_told_over_the_open_websocket(served: Served) -> None:
    user, other = User(served, 219), User(served, 219)
    before = figure(served, "statefall_websockets_told_lost_total")
    with user.welcomed() as live, other.welcomed() as unaffected:
        user.request("POST", contract.LOGOUT, {})
        assert live.next("session_lost")["code"] == "unauthenticated"
        assert live.closed() == (contract.CLOSE_SESSION_LOST, "unauthenticated")
        unaffected.ask("reply", "chat", text="another login of the same user")
    assert figure(served, "statefall_websockets_told_lost_total") == before + 1


def test_expiry_is_told_over_the_open_websocket_which_does_not_keep_the_session_alive(start: Serve) -> None:
    served = start(SESSION_TTL_S="6", WEBSOCKET_PING_S="3")
    with User(served, 220).welcomed() as live:
        assert live.next("session_lost")["code"] == "session_expired"
        assert live.closed()[0] == contract.CLOSE_SESSION_LOST


def test_a_lost_session_is_told_over_the_open_websocket(start: Serve, valkey: Valkey) -> None:
    served = start(STATE="external", STATE_KEYS=KEY)
    with User(served, 221).welcomed() as live:
        valkey.client.flushall()  # the store loses everything
        assert live.next("session_lost")["code"] == "session_lost"
        assert live.closed() == (contract.CLOSE_SESSION_LOST, "session_lost")
