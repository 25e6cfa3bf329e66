"""One request, one send: counted on the server's side."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from shop.client import Client, Target
from statefall.load import NoAnswer, Response
from statefall.records.errors import InputError
from statefall.records.verdicts import RequestFailure
from tests.load.scripted import OK, Act, answer, answer_and_close, hang_up, reset, serving

DEADLINE_S = 30.0
METHODS = ("GET", "PUT", "POST", "DELETE")


@contextmanager
def client_of(url: str, timeout_s: float = DEADLINE_S) -> Iterator[Client]:
    with closing(Client(Target.of(url), timeout_s)) as client:
        yield client


def cookie_sent(request: bytes) -> str | None:
    lines = [line for line in request.decode().split("\r\n") if line.startswith("Cookie: ")]
    return lines[0].removeprefix("Cookie: ") if lines else None


@pytest.mark.parametrize("act", [hang_up, reset], ids=["closes", "resets"])
@pytest.mark.parametrize("method", METHODS)
def test_a_server_that_ends_without_an_answer_sees_the_request_once(method: str, act: Act) -> None:
    with serving(answer(), act, answer()) as server, client_of(server.url) as client:
        assert isinstance(client.send(method, "/"), Response)
        broken = client.send(method, "/again")
        assert isinstance(broken, NoAnswer)
        assert broken.sent
        assert len(server.requests) == 2
        assert isinstance(client.send(method, "/after"), Response)
        assert [request.split()[1] for request in server.requests] == [b"/", b"/again", b"/after"]


@pytest.mark.parametrize(
    ("act", "failure"),
    [
        (hang_up, RequestFailure.RESET),
        (reset, RequestFailure.RESET),
        (answer_and_close(OK.replace(b"Length: 2", b"Length: 20")), RequestFailure.RESET),
        (answer_and_close(b"220 mail.test ESMTP\r\n\r\n"), RequestFailure.BROKEN),
    ],
    ids=["closes", "resets", "cuts the answer off", "speaks another protocol"],
)
def test_how_a_request_failed_is_told(act: Act, failure: RequestFailure) -> None:
    with serving(act) as server, client_of(server.url) as client:
        outcome = client.send("GET", "/")
        assert isinstance(outcome, NoAnswer)
        assert outcome.failure is failure


def test_a_port_that_nobody_listens_on_refuses() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with client_of(f"http://127.0.0.1:{port}") as client:
        outcome = client.send("GET", "/")
        assert isinstance(outcome, NoAnswer)
        assert (outcome.sent, outcome.failure) == (False, RequestFailure.REFUSED)


@pytest.mark.parametrize("method", METHODS)
def test_a_connection_that_died_while_idle_is_noticed_before_sending(method: str) -> None:
    with serving(answer_and_close(), answer()) as server, client_of(server.url) as client:
        assert isinstance(client.send(method, "/"), Response)
        assert server.closed.acquire(timeout=DEADLINE_S)
        assert isinstance(client.send(method, "/"), Response)
        assert (len(server.requests), server.connections) == (2, 2)


def test_a_connection_is_kept_alive() -> None:
    with serving(answer(), answer(), answer()) as server, client_of(server.url) as client:
        for _ in range(3):
            assert isinstance(client.send("GET", "/"), Response)
        assert server.connections == 1


def test_a_connection_that_the_server_wants_closed_is_closed() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    with serving(answer(closing), answer()) as server, client_of(server.url) as client:
        client.send("GET", "/")
        client.send("GET", "/")
        assert server.connections == 2


def test_bytes_that_nobody_asked_for_are_not_taken_for_the_next_answer() -> None:
    with (
        serving(answer(OK + OK.replace(b"200", b"500")), answer()) as server,
        client_of(server.url) as client,
    ):
        client.send("GET", "/")
        second = client.send("GET", "/")
        assert isinstance(second, Response)
        assert second.status == 200
        assert server.connections == 2


def test_no_answer_in_time_was_sent_and_its_late_answer_reaches_nobody() -> None:
    release = threading.Event()

    def late(connection: socket.socket) -> bool:
        release.wait(DEADLINE_S)
        with suppress(OSError):  # the client has hung up, and may be gone by now
            connection.sendall(OK.replace(b"200", b"418"))
        return True

    with serving(late, answer()) as server, client_of(server.url, timeout_s=2.0) as client:
        outcome = client.send("POST", "/")
        release.set()
        assert outcome == NoAnswer(sent=True, reason="no answer in time", failure=RequestFailure.TIMEOUT)
        after = client.send("GET", "/")
        assert isinstance(after, Response)
        assert after.status == 200
        assert len(server.requests) == 2


def test_an_answer_that_trickles_past_the_deadline_is_none() -> None:
    stop = threading.Event()

    def trickle(connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not stop.wait(0.02):
            try:
                connection.sendall(b"x")
            except OSError:
                return False
        return False

    with serving(trickle) as server, client_of(server.url, timeout_s=0.3) as client:
        outcome = client.send("GET", "/")
        stop.set()
        assert outcome == NoAnswer(sent=True, reason="no answer in time", failure=RequestFailure.TIMEOUT)


def test_a_cut_off_answer_is_none() -> None:
    with (
        serving(answer_and_close(OK.replace(b"Length: 2", b"Length: 20"))) as server,
        client_of(server.url) as client,
    ):
        outcome = client.send("GET", "/")
        assert isinstance(outcome, NoAnswer)
        assert outcome.reason.startswith("broken answer")


def test_nothing_is_sent_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with client_of(f"http://127.0.0.1:{port}") as client:
        outcome = client.send("POST", "/")
        assert isinstance(outcome, NoAnswer)
        assert not outcome.sent
        assert not client.sent


def test_cookies_are_kept_renewed_and_dropped() -> None:
    def setting(*cookies: str) -> bytes:
        lines = "".join(f"Set-Cookie: {cookie}\r\n" for cookie in cookies)
        return f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\n{{}}".encode()

    with (
        serving(
            answer(setting("s=1; HttpOnly; SameSite=Lax; Path=/", "balancer=pod-a")),
            answer(setting("s=2")),
            answer(setting("s=; Max-Age=0")),
            answer(),
        ) as server,
        client_of(server.url) as client,
    ):
        for _ in range(4):
            client.send("GET", "/")
        sent = [cookie_sent(request) for request in server.requests]
        assert sent == [None, "s=1; balancer=pod-a", "s=2; balancer=pod-a", "balancer=pod-a"]


def test_the_bearer_token_body_and_headers_are_sent() -> None:
    with serving(answer()) as server, client_of(server.url + "/shop/") as client:
        client.bearer = "abc"
        client.send("POST", "/cart", {"a": 1}, {"Statefall-Operation": "n.1.1"})
        head, _, body = server.requests[0].decode().partition("\r\n\r\n")
        lines = head.split("\r\n")
        assert lines[0] == "POST /shop/cart HTTP/1.1"
        assert {"Authorization: Bearer abc", "Statefall-Operation: n.1.1", "Content-Length: 7"} <= set(lines)
        assert body == '{"a":1}'


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "https://a", "http://", "http://a:port", "http://a?b"])
def test_what_is_not_a_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="for example"):
        Target.of(url)


def test_an_ipv6_address_is_a_target() -> None:
    assert Target.of("http://[::1]:80/").authority == "[::1]:80"
