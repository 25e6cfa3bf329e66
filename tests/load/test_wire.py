"""HTTP/1.1 as bytes: what is a whole response, however it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statefall.load.wire import Malformed, Response, read_response, request_bytes


def receive_from(data: bytes, cuts: list[int] | None = None) -> Iterator[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    yield from (data[a:b] for a, b in pairwise(places))
    while True:
        yield b""


def parse(data: bytes, cuts: list[int] | None = None) -> Response:
    chunks = receive_from(data, cuts)
    return read_response(lambda: next(chunks))


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=1\r\nX-A: b\r\nSet-Cookie: c=2\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: x\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN


@pytest.mark.parametrize("data", [PLAIN, CHUNKED, CLOSING, CONTINUED])
@given(cuts=st.lists(st.integers(0, 200), max_size=8))
def test_a_response_is_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    response = parse(data, cuts)
    assert (response.status, response.body) == (200, b"hello")
    assert response.keep_alive is (data is not CLOSING)


def test_cookies_are_kept_apart_and_names_are_in_lower_case() -> None:
    response = parse(PLAIN)
    assert response.set_cookies == ("a=1", "c=2")
    assert response.headers == {"content-length": "5", "x-a": "b"}


def test_no_content_has_no_body() -> None:
    assert parse(b"HTTP/1.1 204 No Content\r\n\r\n").keep_alive


def test_the_answer_to_a_head_has_no_body() -> None:
    chunks = receive_from(PLAIN.removesuffix(b"hello"))
    response = read_response(lambda: next(chunks), bodiless=True)
    assert (response.body, response.keep_alive) == (b"", True)


def test_http_1_0_closes_unless_it_says_otherwise() -> None:
    assert not parse(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive
    assert parse(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n").keep_alive


def test_a_connection_with_bytes_left_over_is_not_used_again() -> None:
    assert not parse(PLAIN + b"HTTP/1.1 200").keep_alive


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"x" * 100_000,
    ],
)
def test_anything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data)


@given(data=st.binary(max_size=300))
def test_garbage_is_malformed_and_never_another_error(data: bytes) -> None:
    try:
        parse(b"HTTP/1.1 200 OK\r\n" + data)
    except Malformed:
        return


def test_a_request_is_one_piece_with_its_length() -> None:
    message = request_bytes("POST", "/a?b=c", [("Host", "h:1")], b"{}")
    assert message == b"POST /a?b=c HTTP/1.1\r\nHost: h:1\r\nContent-Length: 2\r\n\r\n{}"


def test_a_request_without_a_body_has_no_length() -> None:
    assert request_bytes("GET", "/", [], None) == b"GET / HTTP/1.1\r\n\r\n"
