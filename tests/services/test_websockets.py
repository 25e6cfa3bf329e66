"""WebSockets on served replicas: who may connect, what reaches whom, and how they end."""

from __future__ import annotations

import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services import contract
from services.stateful.realtime.websocket_service import StatefulWebSocketService
from tests.services.backing import DEADLINE_S, Valkey, wait_until
from tests.services.conftest import MakeReplica
from tests.services.live import Live, Serve, User, figure
from tests.services.serving import KEY, Served
from tests.services.sessions.designs import session
from tests.services.shopper import sample


def raw(user: User) -> socket.socket:
    """A WebSocket whose client does nothing by itself: no pong, no close, no reading."""
    connection = socket.socket()
    connection.settimeout(DEADLINE_S)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", user.served.port))
    connection.sendall(
        f"GET {contract.WEBSOCKET} HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Cookie: {user.cookie}\r\n\r\n".encode()
    )
    assert connection.recv(12) == b"HTTP/1.1 101"
    return connection


def connected(served: Served) -> float:
    return figure(served, "statefall_websocket_connections")


def endings(served: Served, ending: str) -> float:
    return figure(served, "statefall_websockets_closed_total", ending=ending)


def test_a_welcome_says_who_and_where(served: Served) -> None:
    user = User(served, 201)
    with user.connect() as live:
        response = live.connection.response
        assert response is not None
        welcome = live.next("welcome")
    assert welcome["user_id"] == 201
    assert welcome["pod"] == response.headers[contract.POD_HEADER] == "pod-a"
    assert welcome["boot"] == response.headers[contract.BOOT_HEADER]
    assert welcome["channel"] == "user:201"
    assert (welcome["messages"], welcome["positions"], welcome["version"]) == ([], {}, 0)
    assert set(welcome["preferences"]) == {"theme", "language"}


def test_without_a_session_nobody_connects(served: Served, start: Serve) -> None:
    user = User(served, 202)
    for cookie, at, status, code in (
        ("", served, 401, "unauthenticated"),
        ("statefall_session=forged", served, 401, "unauthenticated"),
        (user.cookie, start(pod="pod-b"), 401, "session_lost"),
    ):
        with pytest.raises(InvalidStatus) as refused:
            user.connect(at=at, Cookie=cookie)
        assert refused.value.response.status_code == status
        assert code in refused.value.response.body.decode()
    page = httpx.get(f"{served.url}{contract.WEBSOCKET}", headers={"Cookie": user.cookie}, trust_env=False)
    assert page.status_code == 400  # it is no page


def test_another_sites_page_may_not_connect_with_the_users_cookie(served: Served) -> None:
    user = User(served, 203)
    with pytest.raises(InvalidStatus) as refused:
        user.connect(Origin="http://evil.example")
    assert refused.value.response.status_code == 400
    assert b"evil" not in refused.value.response.body  # nothing of what came is repeated
    user.connect(Origin=served.url).connection.close()


def test_a_message_to_a_user_reaches_all_connections_of_the_user_and_nobody_else(served: Served) -> None:
    one, another, other_session = User(served, 204), User(served, 205), User(served, 204)
    with ExitStack() as stack:
        lives = [stack.enter_context(user.welcomed()) for user in (one, one, other_session)]
        stranger = stack.enter_context(another.welcomed())
        for number in range(1, 4):
            done = stranger.ask("published", "publish", channel="user:204", text=f"hello {number}", id="x")
            assert (done["number"], done["reach"], done["id"]) == (number, "everywhere", "x")
        for live in lives:
            got = [live.next("message") for _ in range(3)]
            assert [(m["number"], m["text"], m["from"]) for m in got] == [
                (number, f"hello {number}", 205) for number in range(1, 4)
            ]
            assert {m["stream"] for m in got} == {done["stream"]}
        stranger.ask("published", "publish", channel="user:205", text="to myself")
        assert stranger.next("message")["text"] == "to myself"


def test_nobody_listens_to_anothers_own_channel(served: Served) -> None:
    with User(served, 206).welcomed() as live:
        refused = live.ask("subscribed", "subscribe", channel="user:207")
        assert (refused["type"], refused["code"]) == ("error", "bad_request")


def test_nobody_can_be_deaf_to_messages_to_its_user(served: Served) -> None:
    with User(served, 206).welcomed() as live:
        refused = live.ask("unsubscribed", "unsubscribe", channel="user:206")
        assert (refused["type"], refused["code"]) == ("error", "bad_request")
        live.ask("published", "publish", channel="user:206", text="still heard")
        assert live.next("message")["text"] == "still heard"


def test_without_a_thread_for_it_a_connection_is_cut_and_forgotten(make_replica: MakeReplica) -> None:
    replica = make_replica("stateful")
    (service,) = (part for part in replica.parts if isinstance(part, StatefulWebSocketService))
    ours, theirs = socket.socketpair()
    before = threading.stack_size(1 << 60)  # more than there is: no thread can be started
    try:
        service.take(ours, session(), "cookie")
    finally:
        threading.stack_size(before)
    with theirs:
        assert theirs.recv(1) == b""
    assert service.held_sessions() == frozenset()
    assert sample(replica, "statefall_websocket_connections") == 0
    assert sample(replica, "statefall_websockets_closed_total", ending="broken") == 1


def test_subscribing_brings_the_recent_messages_and_then_every_one_without_a_gap(served: Served) -> None:
    user = User(served, 208)
    with user.welcomed() as writer, user.welcomed() as reader:
        for number in range(60):
            writer.ask("published", "publish", channel="recent", text=f"item {number}")
        subscribed = reader.ask("subscribed", "subscribe", channel="recent")
        assert [m["text"] for m in subscribed["messages"]] == [f"item {number}" for number in range(10, 60)]
        (position,) = subscribed["positions"].values()
        assert position == subscribed["messages"][-1]["number"] == 60
        for number in range(60, 65):
            writer.ask("published", "publish", channel="recent", text=f"item {number}")
            assert reader.next("message")["number"] == number + 1
        reader.ask("unsubscribed", "unsubscribe", channel="recent")
        writer.ask("published", "publish", channel="recent", text="unheard")
        assert reader.ask("subscribed", "subscribe", channel="recent")["messages"][-1]["text"] == "unheard"
        assert not reader.pending


def test_the_history_limit_is_the_users_and_can_be_a_connections_own(served: Served) -> None:
    user = User(served, 209)
    user.request("PUT", contract.PREFERENCES, {"preferences": {"message_history_limit": "3"}})
    with user.welcomed() as live, user.welcomed() as other:
        for number in range(8):
            live.ask("published", "publish", channel="limited", text=f"item {number}")

        def recent(asking: Live) -> list[str]:
            return [m["text"] for m in asking.ask("subscribed", "subscribe", channel="limited")["messages"]]

        assert recent(live) == ["item 5", "item 6", "item 7"]
        for limit, expected in (("1", 1), ("0", 0), ("6", 6), ("many", 8), ("99999", 8)):
            changed = live.ask("preferences", "prefer", preferences={"message_history_limit": limit})
            assert changed["preferences"]["message_history_limit"] == limit
            assert len(recent(live)) == expected
        assert len(recent(other)) == 3  # another connection's preferences are its own


def test_chat_answers_with_what_this_connection_said_and_with_the_session(served: Served) -> None:
    user = User(served, 210)
    user.request("POST", contract.ACTIVITY, {"action": "looked"})
    with user.welcomed() as live, user.welcomed() as other:
        first = live.ask("reply", "chat", text="my name is Ada and I need 2 lamps", id="1")
        assert first["text"].startswith("Ada, this connection is new.")
        second = live.ask("reply", "chat", text="3 lamps more", id="2")
        assert "before this you said 'my name is Ada and I need 2 lamps' here" in second["text"]
        assert "your name is Ada, 5 lamps" in second["text"]
        assert (second["count"], second["remembered"], second["id"]) == (2, 1, "2")
        assert second["version"] == 1
        assert "Ada" not in other.ask("reply", "chat", text="who am I?")["text"]
        for number in range(55):
            last = live.ask("reply", "chat", text=f"text {number}")
        assert (last["count"], last["remembered"]) == (57, 50)


def test_a_wrong_message_is_answered_and_ends_nothing(served: Served) -> None:
    with User(served, 211).welcomed() as live:
        for text in ("{", "[]", '{"type": "dance"}', '{"type": "chat", "text": ""}', '{"type": "chat"}'):
            live.connection.send(text)
            assert live.next("error")["code"] == "bad_request"
        for channel in ("News", "user:0", "x" * 33, "user:01"):
            assert live.ask("subscribed", "subscribe", channel=channel)["type"] == "error"
        for number in range(31):
            assert live.ask("subscribed", "subscribe", channel=f"c{number}")["type"] == "subscribed"
        assert live.ask("subscribed", "subscribe", channel="c31")["type"] == "error"
        assert live.ask("reply", "chat", text="still here")["type"] == "reply"


@pytest.mark.parametrize(
    ("message", "code"), [(b"\x00", 1003), ("x" * 5000, 1009)], ids=["binary", "too big"]
)
def test_what_the_protocol_does_not_allow_closes_the_connection(
    served: Served, message: str | bytes, code: int
) -> None:
    before = endings(served, "bad")
    with User(served, 212).welcomed() as live:
        live.connection.send(message)
        assert live.closed()[0] == code
    wait_until(lambda: endings(served, "bad") == before + 1, "it is counted")


def test_a_message_may_come_in_fragments(served: Served) -> None:
    with User(served, 213).welcomed() as live:
        live.connection.send(iter(['{"type": "chat",', ' "text": "in ', 'pieces"}']))
        live.next("reply")
        assert "in pieces" in live.ask("reply", "chat", text="what did I say?")["text"]


def test_a_dead_connection_is_removed_everywhere(start: Serve) -> None:
    served = start(WEBSOCKET_PING_S="3")
    user = User(served, 214)
    cut, silent = raw(user), raw(user)
    with user.welcomed() as live:
        live.ask("subscribed", "subscribe", channel="news")
        assert connected(served) == 3
        cut.close()
        wait_until(lambda: connected(served) == 1, "one was cut and one answers no ping")
        assert endings(served, "silent") == 1
        assert endings(served, "broken") == 1
        before = figure(served, "statefall_websocket_deliveries_total")
        live.ask("published", "publish", channel="user:214", text="to those who are left")
        assert live.next("message")["text"] == "to those who are left"
        assert figure(served, "statefall_websocket_deliveries_total") == before + 1
    silent.close()
    wait_until(lambda: connected(served) == 0, "the last one closed in order")
    assert endings(served, "client") == 1


def test_one_that_does_not_read_is_given_up_and_costs_the_others_nothing(start: Serve) -> None:
    served = start()
    user, writer = User(served, 215), User(served, 216)
    stuck = raw(user)
    with user.welcomed() as reads, writer.welcomed() as writes:
        sent = 0
        while connected(served) == 3:
            for _ in range(500):
                sent += 1
                writes.send("publish", channel="user:215", text=f"{sent} ".ljust(200, "x"))
            for number in range(sent - 499, sent + 1):
                assert reads.next("message")["number"] == number
                writes.next("published")
        assert connected(served) == 2
    stuck.close()


def test_at_the_limit_a_connection_is_told_to_try_later(start: Serve) -> None:
    served = start(WEBSOCKETS="2")
    user = User(served, 217)
    first, second = user.welcomed(), user.welcomed()
    with user.connect() as refused:
        assert refused.closed() == (contract.CLOSE_TRY_LATER, "2 are connected")
    assert figure(served, "statefall_websockets_refused_total") == 1
    first.ask("reply", "chat", text="I am not disturbed")
    second.connection.close()
    wait_until(lambda: connected(served) == 1, "one has left")
    user.welcomed().connection.close()
    first.connection.close()


def test_open_websockets_take_no_thread_from_requests(start: Serve) -> None:
    served = start(threads=1)
    user = User(served, 218)
    lives = [user.welcomed() for _ in range(20)]
    user.request("GET", contract.PROFILE)
    assert connected(served) == 20
    for live in lives:
        live.ask("reply", "chat", text="all are served")
        live.connection.close()


def test_a_replica_that_ends_tells_its_clients_and_does_not_wait_for_them(start: Serve) -> None:
    served = start(graceful_s=120)
    user = User(served, 222)
    stuck = raw(user)
    with user.welcomed() as live, user.welcomed() as other:
        live.send("chat", text="the last words")
        live.next("reply")
        served.master.send_signal(signal.SIGTERM)
        assert live.closed() == (contract.CLOSE_GOING_AWAY, "going away")
        assert other.closed() == (contract.CLOSE_GOING_AWAY, "going away")
        assert served.master.wait(DEADLINE_S) == 0  # half the graceful timeout, for machines that are busy
    stuck.close()


def test_a_killed_replica_breaks_its_connections(start: Serve) -> None:
    served = start()
    user = User(served, 223)
    with user.welcomed() as live:
        os.kill(served.worker().pid, signal.SIGKILL)
        with pytest.raises(ConnectionClosed) as broken:
            live.connection.recv(timeout=DEADLINE_S)
        assert broken.value.rcvd is None


def test_connections_of_one_user_may_be_on_two_replicas(start: Serve) -> None:
    here, there = (
        start(STATE="external", STATE_KEYS=KEY),
        start(pod="pod-b", STATE="external", STATE_KEYS=KEY),
    )
    user = User(here, 224)
    with user.welcomed() as mine, user.welcomed(at=there) as far:
        listening(mine, far)
        mine.ask("published", "publish", channel="user:224", text="from here")
        far.ask("published", "publish", channel="user:224", text="from there")
        for live in (mine, far):
            got = {live.next("message")["text"] for _ in range(2)}
            assert got == {"from here", "from there"}


def listening(*lives: Live) -> None:
    """Return once each replica hears the other: what was published before that is not heard, as is said."""
    for place, writer in enumerate(lives):
        for reader in (other for other in lives if other is not writer):
            channel = f"probe-{place}"
            reader.ask("subscribed", "subscribe", channel=channel)

            def heard(writer: Live = writer, reader: Live = reader, channel: str = channel) -> bool:
                writer.ask("published", "publish", channel=channel, text="do you hear me?")
                reader.ask("preferences", "prefer", preferences={})
                found = [m for m in reader.pending if m.get("channel") == channel]
                reader.pending = [m for m in reader.pending if m.get("channel") != channel]
                return bool(found)

            wait_until(heard, "a replica hears the other")
            reader.ask("unsubscribed", "unsubscribe", channel=channel)
    for live in lives:
        live.pending = [m for m in live.pending if not str(m.get("channel")).startswith("probe-")]


def test_what_was_missed_shows_as_a_gap_in_the_numbers(start: Serve, valkey: Valkey) -> None:
    here, there = start(), start(pod="pod-b")
    writer, reader = User(here, 225), User(there, 226)
    with writer.welcomed() as writes, reader.welcomed() as reads:
        listening(writes, reads)
        reads.ask("subscribed", "subscribe", channel="news")
        first = writes.ask("published", "publish", channel="news", text="heard")
        assert reads.next("message")["number"] == first["number"]
        valkey.stop()
        lost = writes.ask("published", "publish", channel="news", text="not heard over there")
        assert lost["reach"] == "here"
        assert lost["number"] == first["number"] + 1
        valkey.start()
        last = first["number"]

        def heard_again() -> bool:
            nonlocal last
            writes.ask("published", "publish", channel="news", text="heard again")
            reads.ask("preferences", "prefer", preferences={})
            numbers = [m["number"] for m in reads.pending if m["type"] == "message"]
            last = max([last, *numbers])
            return bool(numbers)

        wait_until(heard_again, "the replicas hear each other again")
        message = reads.next("message")
        assert message["stream"] == lost["stream"]
        assert message["number"] > lost["number"]  # so it can tell that something between is missing


def test_many_writers_at_once_make_one_stream_without_a_hole(served: Served) -> None:
    users = [User(served, user_id) for user_id in range(230, 236)]
    with users[0].welcomed() as reader:
        reader.ask("subscribed", "subscribe", channel="busy")

        def write(user: User) -> None:
            with user.welcomed() as live:
                for number in range(50):
                    live.ask("published", "publish", channel="busy", text=f"{user.user_id} {number}")

        with ThreadPoolExecutor(len(users)) as pool:
            list(pool.map(write, users))
        got = [reader.next("message") for _ in range(300)]
    assert [message["number"] for message in got] == list(range(1, 301))
    for user in users:
        own = [m["text"] for m in got if m["from"] == user.user_id]
        assert own == [f"{user.user_id} {number}" for number in range(50)]
