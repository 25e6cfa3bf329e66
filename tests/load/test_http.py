"""The client of a journey: each hop once and counted, and what a browser would do in between."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from flask import Flask, redirect, request, session
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response as FlaskResponse

from statefall.load.answers import HttpAnswer, HttpRequest, NoAnswer, UnreadableAnswer
from statefall.load.cookies import CookieJar
from statefall.load.forms import form
from statefall.load.http import MOST_REDIRECTS, Exchange, HttpClient, Send
from statefall.load.site import Site
from statefall.load.wire import MAX_BODY_BYTES
from statefall.records.errors import InputError
from statefall.records.service import Reached
from tests.load.scripted import OK, Script, answer, answer_and_close, hang_up, serving

DEADLINE_S = 30.0


@contextmanager
def client_of(
    url: str, reached: Reached | None = None, cookies: CookieJar | None = None
) -> Iterator[HttpClient]:
    with closing(HttpClient(Site.of(url, reached), DEADLINE_S, cookies=cookies)) as client:
        yield client


def reply(status: int, *lines: str, body: bytes = b"") -> bytes:
    head = [f"HTTP/1.1 {status} It is", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def to(location: str, status: int = 302, *lines: str) -> bytes:
    return reply(status, f"Location: {location}", *lines)


def answered(found: HttpAnswer | NoAnswer) -> HttpAnswer:
    assert isinstance(found, HttpAnswer), found
    return found


def first_lines(server: Script) -> list[str]:
    return [request.split(b"\r\n")[0].decode().removesuffix(" HTTP/1.1") for request in server.requests]


def lines_of(request: bytes) -> dict[str, str]:
    head = request.partition(b"\r\n\r\n")[0].decode("latin-1")
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])


@pytest.mark.parametrize(
    ("status", "method", "second"),
    [
        (301, "POST", "GET /b"),
        (302, "POST", "GET /b"),
        (303, "POST", "GET /b"),
        (303, "PUT", "GET /b"),
        (302, "PUT", "PUT /b"),  # browsers: the Fetch standard changes POST alone
        (307, "POST", "POST /b"),
        (308, "DELETE", "DELETE /b"),
        (302, "HEAD", "HEAD /b"),
        (303, "HEAD", "HEAD /b"),
    ],
)
def test_a_redirect_changes_the_method_as_in_a_browser(status: int, method: str, second: str) -> None:
    last = OK if method != "HEAD" else reply(200)
    with serving(answer(to("/b", status)), answer(last)) as server, client_of(server.url) as client:
        found = answered(client.request(method, "/a"))
        assert first_lines(server) == [f"{method} /a", second]
        assert [hop.status for hop in found.hops] == [status]
        assert [hop.request.method for hop in found.hops] == [method]
        assert found.url == f"{server.url}/b"


def test_a_body_goes_along_only_where_the_method_stays() -> None:
    acts = [answer(to("/b", 307)), answer(to("/c", 303)), answer()]
    with serving(*acts) as server, client_of(server.url) as client:
        answered(client.request("POST", "/a", data={"x": "ä &"}, headers={"X-A": "1"}))
        bodies = [request.partition(b"\r\n\r\n")[2] for request in server.requests]
        assert bodies == [b"x=%C3%A4+%26", b"x=%C3%A4+%26", b""]
        kinds = [lines_of(request).get("Content-Type") for request in server.requests]
        assert kinds == ["application/x-www-form-urlencoded"] * 2 + [None]
        assert [lines_of(request)["X-A"] for request in server.requests] == ["1", "1", "1"]
        assert [lines_of(request).get("Origin") for request in server.requests] == [
            server.url,
            server.url,
            None,
        ]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("b", "/shop/b"),
        ("../b?c=d#e", "/b?c=d"),
        ("/b c", "/b%20c"),
        ("?page=2", "/shop/a?page=2"),
        ("/caf\u00c3\u00a9", "/caf%C3%A9"),  # UTF-8 as it stands in a header
        ("/100%", "/100%"),
        ("", "/shop/a"),
    ],
)
def test_a_location_is_relative_to_its_page(location: str, target: str) -> None:
    with serving(answer(to(location)), answer()) as server, client_of(f"{server.url}/shop") as client:
        answered(client.request("GET", "/a"))
        assert first_lines(server) == ["GET /shop/a", f"GET {target}"]


@pytest.mark.parametrize(
    "location",
    [
        "http://example.com/",
        "//example.com/",
        "https://127.0.0.1/",
        "http://127.0.0.1:1/",
        "javascript:x",
        "http://[",
        "http://a:b/",
    ],
)
def test_a_redirect_to_another_origin_is_the_answer(location: str) -> None:
    with serving(answer(to(location))) as server, client_of(server.url) as client:
        found = answered(client.request("GET", "/a"))
        assert (found.status, found.hops) == (302, ())
        assert found.headers["LOCATION"] == found.elsewhere == location


def test_the_services_own_name_in_a_location_is_the_same_site() -> None:
    reached = Reached(host="Shop.example.com", base_path="/v1/")
    with (
        serving(answer(to("http://shop.example.com/v1/b")), answer()) as server,
        client_of(server.url, reached) as client,
    ):
        found = answered(client.request("GET", "a"))
        assert first_lines(server) == ["GET /v1/a", "GET /v1/b"]
        assert {lines_of(request)["Host"] for request in server.requests} == {"shop.example.com"}
        assert found.url == "http://shop.example.com/v1/b"


def test_redirects_are_followed_ten_times() -> None:
    acts = [answer(to(f"/{n}")) for n in range(MOST_REDIRECTS + 1)]
    with serving(*acts) as server, client_of(server.url) as client:
        found = client.request("GET", "/")
        assert isinstance(found, NoAnswer)
        assert found.reason == "redirected more than 10 times"
        assert len(server.requests) == len(found.hops) == MOST_REDIRECTS + 1


def test_redirects_are_left_alone_where_they_are_not_wanted() -> None:
    with serving(answer(to("/b"))) as server, client_of(server.url) as client:
        found = answered(client.request("GET", "/a", allow_redirects=False))
        assert (found.status, found.elsewhere) == (302, "")


def test_what_was_acknowledged_before_a_broken_hop_is_told() -> None:
    with serving(answer(to("/b", 303)), hang_up) as server, client_of(server.url) as client:
        found = client.request("POST", "/a")
        assert isinstance(found, NoAnswer)
        assert found.sent
        assert [(hop.status, hop.request.method) for hop in found.hops] == [(303, "POST")]
        assert len(server.requests) == 2


def test_the_caller_numbers_and_counts_each_hop() -> None:
    seen: list[tuple[str, int, bool, int]] = []

    def exchange(request: HttpRequest, send: Send) -> HttpAnswer | NoAnswer:
        before = client.sent
        found = send({"Statefall-Operation": f"n.1.{len(seen)}"})
        seen.append((request.target, request.hop, before, answered(found).status))
        return found

    with serving(answer(to("/b")), answer(to("/c")), answer()) as server:
        hook: Exchange = exchange
        with closing(HttpClient(Site.of(server.url), DEADLINE_S, exchange=hook)) as client:
            answered(client.request("GET", "/a"))
            assert client.sent
        numbers = [lines_of(request)["Statefall-Operation"] for request in server.requests]
    assert seen == [("/a", 0, False, 302), ("/b", 1, False, 302), ("/c", 2, False, 200)]
    assert numbers == ["n.1.0", "n.1.1", "n.1.2"]


def test_headers_of_one_request_go_before_those_of_all_and_those_before_ours() -> None:
    reached = Reached(headers={"X-Api-Key": "k", "user-agent": "mine", "X-One": "all"})
    with serving(answer()) as server, client_of(server.url, reached) as client:
        client.request("GET", "/", headers={"x-one": "this", "Accept": "text/html"})
        lines = {name.lower(): value for name, value in lines_of(server.requests[0]).items()}
        assert lines == {
            "host": f"127.0.0.1:{server.port}",
            "accept": "text/html",
            "accept-encoding": "gzip, deflate",
            "user-agent": "mine",
            "x-api-key": "k",
            "x-one": "this",
        }


def test_bodies_and_queries() -> None:
    with serving(*[answer()] * 5) as server, client_of(server.url) as client:
        client.request("POST", "/", json={"id": 1})
        client.request("PUT", "/", data="ä\ud800")
        client.request("POST", "/")
        client.request("get", "/a b?c=d#e", params={"q": "x y", "n": [1, 2]})
        client.request("GET", f"{server.url}/whole?x=1")
        assert [request.partition(b"\r\n\r\n")[2] for request in server.requests[:3]] == [
            b'{"id":1}',
            b"\xc3\xa4?",
            b"",
        ]
        assert lines_of(server.requests[0])["Content-Type"] == "application/json"
        assert lines_of(server.requests[2])["Content-Length"] == "0"
        assert first_lines(server)[3:] == ["GET /a%20b?c=d&q=x+y&n=1&n=2", "GET /whole?x=1"]


def test_a_url_of_another_site_is_not_sent() -> None:
    with serving() as server, client_of(server.url) as client:
        found = client.request("GET", "http://example.com/")
        assert isinstance(found, NoAnswer)
        assert not found.sent
        assert found.reason.startswith("another origin than http://127.0.0.1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"headers": {"X": "a\r\nY: b"}}, "is not a header"),
        ({"headers": {"X Y": "a"}}, "is not a header"),
        ({"headers": {"X": "\u20ac"}}, "is not a header"),
        ({"headers": {"Content-Length": "1"}}, "set by the client"),
        ({"json": {1}}, "json cannot be sent"),
        ({"json": {}, "data": "x"}, "one body"),
    ],
)
def test_what_cannot_be_sent_is_a_clear_error(arguments: dict[str, object], said: str) -> None:
    with client_of("http://127.0.0.1:9") as client, pytest.raises(InputError, match=said):
        client.request("GET", "/", **arguments)  # type: ignore[arg-type]


def test_a_method_is_a_token() -> None:
    with client_of("http://127.0.0.1:9") as client, pytest.raises(InputError, match="not an HTTP method"):
        client.request("GET /\r\n", "/")


@pytest.mark.parametrize(
    ("url", "reached", "said"),
    [
        ("ftp://a", Reached(), "base URL"),
        ("http://a?b", Reached(), "base URL"),
        ("http://a:port", Reached(), "not a URL"),
        ("http://u:p@a", Reached(), "no user"),
        ("http://a", Reached(host="a/b"), "not a host"),
        ("http://a", Reached(host="a:b"), "not a URL"),
        ("http://a", Reached(headers={"X": "a\nb"}), "not a header"),
    ],
)
def test_what_is_no_site_is_a_clear_error(url: str, reached: Reached, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Site.of(url, reached)


def test_ports_that_the_scheme_says_are_left_out() -> None:
    assert Site.of("https://shop.example.com:443/x").origin == "https://shop.example.com"
    assert Site.of("http://[::1]:80").authority == "[::1]"
    assert Site.of("http://a:8080").authority == "a:8080"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "bare deflate", "gzip, deflate", "identity"])
def test_compressed_answers_are_read(coding: str) -> None:
    bare = zlib.compressobj(wbits=-15)
    text = b"hello " * 1000
    bodies = {
        "gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "bare deflate": bare.compress(text) + bare.flush(),
        "gzip, deflate": zlib.compress(gzip.compress(text)),
        "identity": text,
    }
    encoding = f"Content-Encoding: {coding.removeprefix('bare ')}"
    with (
        serving(answer(reply(200, encoding, body=bodies[coding]))) as server,
        client_of(server.url) as client,
    ):
        assert answered(client.request("GET", "/")).body == text


def test_a_compressed_body_in_chunks_is_read() -> None:
    body = gzip.compress(b"hello")
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    with serving(answer(head + chunks), answer()) as server, client_of(server.url) as client:
        assert answered(client.request("GET", "/")).text == "hello"
        answered(client.request("GET", "/"))
        assert server.connections == 1


@pytest.mark.parametrize(
    ("coding", "body", "said"),
    [
        ("gzip", gzip.compress(bytes(MAX_BODY_BYTES + 1), mtime=0), "too long when"),
        ("deflate", zlib.compress(bytes(MAX_BODY_BYTES + 1)), "too long when"),
        ("gzip", gzip.compress(b"hello", mtime=0)[:-9], "cut off"),
        ("gzip", b"hello", "cannot be decompressed"),
        ("br", b"hello", "encoded as 'br'"),
        ("gzip, gzip, gzip, gzip", b"hello", "too often"),
    ],
)
def test_a_body_that_cannot_be_decoded_is_a_broken_answer(coding: str, body: bytes, said: str) -> None:
    reply_ = reply(200, f"Content-Encoding: {coding}", body=body)
    with serving(answer(reply_)) as server, client_of(server.url) as client:
        found = client.request("GET", "/")
        assert isinstance(found, NoAnswer)
        assert found.sent
        assert found.reason.startswith("broken answer: ")
        assert said in found.reason


def test_answers_without_bodies_leave_the_connection_as_it_was() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 500\r\n\r\n"
    acts = [
        answer(head),
        answer(b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"),
        answer(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"),
        answer(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK),
    ]
    with serving(*acts) as server, client_of(server.url) as client:
        assert answered(client.request("HEAD", "/")).body == b""
        assert [answered(client.request("GET", "/")).status for _ in range(3)] == [204, 304, 200]
        assert server.connections == 1


def test_two_tabs_share_their_cookies() -> None:
    jar = CookieJar()
    with (
        serving(answer(reply(200, "Set-Cookie: s=1; Path=/")), answer()) as server,
        client_of(server.url, cookies=jar) as one,
        client_of(server.url, cookies=jar) as other,
    ):
        one.request("GET", "/")
        other.request("GET", "/")
        assert server.connections == 2
        assert lines_of(server.requests[1])["Cookie"] == "s=1"


def test_a_cookie_of_a_redirect_is_sent_to_where_it_leads() -> None:
    acts = [answer(to("/b", 302, "Set-Cookie: s=1; Path=/b; Secure")), answer(), answer()]
    with serving(*acts) as server, client_of(server.url) as client:
        client.request("GET", "/a")
        client.request("GET", "/")
        assert [lines_of(request).get("Cookie") for request in server.requests] == [None, "s=1", None]


def test_secure_cookies_need_https_or_a_balancer_that_is_said_to_speak_it() -> None:
    for headers, cookie in (({}, None), ({"X-Forwarded-Proto": "https"}, "s=1")):
        reached = Reached(host="shop.example.com", headers=headers)
        acts = [answer(reply(200, "Set-Cookie: s=1; Secure")), answer()]
        with serving(*acts) as server, client_of(server.url, reached) as client:
            client.request("GET", "/")
            client.request("GET", "/")
            assert lines_of(server.requests[1]).get("Cookie") == cookie


def test_an_answer_is_read_as_text_and_json() -> None:
    acts = [
        answer(reply(200, "Content-Type: text/html; charset=ISO-8859-1", body=b"caf\xe9")),
        answer(reply(200, 'Content-Type: text/html; charset="no-such"', body=b"caf\xc3\xa9")),
        answer(reply(500, body=b"<html>")),
        answer(reply(200, body=b"[" * 100_000)),
        answer(reply(200, body=b"9" * 10_000)),
    ]
    with serving(*acts) as server, client_of(server.url) as client:
        assert answered(client.request("GET", "/")).text == "café"
        assert answered(client.request("GET", "/")).text == "café"
        with pytest.raises(UnreadableAnswer, match="GET /x answered 500 with no JSON"):
            answered(client.request("GET", "/x")).json()
        for _ in range(2):
            with pytest.raises(UnreadableAnswer):
                answered(client.request("GET", "/")).json()


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        return


def flask_shop() -> Flask:
    app = Flask(__name__)
    app.secret_key = "for a test"

    @app.get("/login")
    def page() -> str:
        session["token"] = "t1"
        return "<form method=post><input type=hidden name=csrf value=t1><input name=user></form>"

    @app.post("/login")
    def log_in() -> FlaskResponse | tuple[str, int]:
        if request.form["csrf"] != session.get("token"):
            return "forged", 403
        session["user"] = request.form["user"]
        return redirect("/me")

    @app.get("/me")
    def me() -> str:
        return f"Hello {session.get('user')}"

    return app


def test_a_flask_login_with_a_token_in_its_form() -> None:
    server = make_server("127.0.0.1", 0, flask_shop(), threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with client_of(f"http://127.0.0.1:{server.port}") as client:
            blind = answered(client.request("POST", "/login", data={"csrf": "", "user": "zoé"}))
            assert blind.status == 403
            page = answered(client.request("GET", "/login"))
            found = answered(client.submit(form(page), {"user": "zoé"}))
            assert (found.text, found.url.rpartition("/")[2]) == ("Hello zoé", "me")
            assert [(hop.status, hop.request.method) for hop in found.hops] == [(302, "POST")]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_form_that_is_got_replaces_the_query() -> None:
    page = "<form action='/search?old=1'><input name=q value=a></form>"
    with serving(answer()) as server, client_of(server.url) as client:
        client.submit(form(page), {"q": "b c"})
        assert first_lines(server) == ["GET /search?q=b+c"]


@settings(deadline=None, max_examples=60)
@given(location=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60))
def test_no_location_breaks_the_client(location: str) -> None:
    with serving(answer(to(location)), answer()) as server, client_of(server.url) as client:
        found = client.request("GET", "/")
        assert isinstance(found, HttpAnswer)
        # One request line of three parts each, so that nothing was smuggled in.
        assert [line.count(" ") for line in first_lines(server)] == [1] * len(server.requests)


HOSTILE_LINES = (
    b"Content-Encoding: gzip",
    b"Content-Encoding: deflate",
    b"Transfer-Encoding: chunked",
    b"Set-Cookie: \x00;=;",
    b"Set-Cookie: a=\xff; Expires=x; Domain=.",
    b"Content-Type: text/html; charset=\xff",
    b"Content-Length: " + b"9" * 5000,
)


def in_a_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(st.sampled_from(HOSTILE_LINES), max_size=4),
    body=st.binary(max_size=100) | st.binary(max_size=20).map(in_a_chunk),
)
def test_no_answer_breaks_the_client(lines: list[bytes], body: bytes) -> None:
    data = b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", b""]) + body
    with serving(answer_and_close(data)) as server, client_of(server.url) as client:
        found = client.request("GET", "/")
        if isinstance(found, HttpAnswer):
            assert isinstance(found.text, str)
        else:
            assert found.sent
