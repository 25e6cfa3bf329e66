"""Cookies as browsers keep them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statefall.load.cookies import MOST_COOKIES, CookieJar, Place, parse_cookie, parse_date_s

NOW_S = 1_800_000_000.0
SHOP = Place("shop.example.com", "/cart/items")


def sent(*set_cookies: str, frm: Place = SHOP, to: Place = SHOP, later_s: float = 0.0) -> str | None:
    jar = CookieJar()
    jar.keep(frm, set_cookies, NOW_S)
    return jar.header(to, NOW_S + later_s)


def at(path: str, host: str = SHOP.host, *, secure: bool = False) -> Place:
    return Place(host, path, secure)


@pytest.mark.parametrize(
    ("set_cookie", "to", "header"),
    [
        ("a=1", at("/cart"), "a=1"),  # the folder of the page that set it
        ("a=1", at("/cart/more"), "a=1"),
        ("a=1", at("/carton"), None),
        ("a=1", at("/"), None),
        ("a=1; Path=/", at("/"), "a=1"),
        ("a=1; path=/car", at("/cart"), None),
        ("a=1; Path=/cart/", at("/cart"), None),
        ("a=1; Path=/cart/", at("/cart/x"), "a=1"),
        ("a=1; Path=cart", at("/cart"), "a=1"),  # no path: the folder again
        ("a=1; Path=/; Domain=example.com", at("/", "www.example.com"), "a=1"),
        ("a=1; Path=/; Domain=.Example.COM", at("/", "example.com"), "a=1"),
        ("a=1; Path=/; Domain=example.com", at("/", "badexample.com"), None),
        ("a=1; Path=/; Domain=shop.example.com", at("/", "a.shop.example.com"), "a=1"),
        ("a=1; Path=/", at("/", "a.shop.example.com"), None),  # of this host only
        ("a=1; Path=/; Domain=", at("/"), "a=1"),
        ("a=1; Path=/; Domain=other.com", at("/", "other.com"), None),
        ("a=1; Path=/; Domain=com", at("/", "example.com"), None),
        ("a=1; Path=/; Domain=www.shop.example.com", at("/", "www.shop.example.com"), None),
        ("a=1; Path=/; Secure", at("/", secure=True), None),  # set without TLS: ignored
        ('a="1 2"; Path=/', at("/"), 'a="1 2"'),
        ("a=b=c; Path=/", at("/"), "a=b=c"),
        ("a=; Path=/", at("/"), "a="),
        ("alone; Path=/", at("/"), "alone"),
        ("; Path=/", at("/"), None),
        ("a=1\x00; Path=/", at("/"), None),
        ("a=1\nX: y; Path=/", at("/"), None),
        (f"a={'x' * 5000}; Path=/", at("/"), None),
        ("__Host-a=1; Path=/", at("/"), None),
    ],
)
def test_where_a_cookie_is_sent(set_cookie: str, to: Place, header: str | None) -> None:
    assert sent(set_cookie, to=to) == header


@pytest.mark.parametrize(
    ("set_cookie", "header"),
    [
        ("a=1; Path=/; Secure", "a=1"),
        ("__Secure-a=1; Path=/; Secure", "__Secure-a=1"),
        ("__Secure-a=1; Path=/", None),
        ("__Host-a=1; Path=/; Secure", "__Host-a=1"),
        ("__Host-a=1; Path=/; Secure; Domain=shop.example.com", None),
    ],
)
def test_secure_cookies_go_over_tls(set_cookie: str, header: str | None) -> None:
    tls = at("/", secure=True)
    assert sent(set_cookie, frm=tls, to=tls) == header
    plain = sent(set_cookie, frm=tls, to=at("/"))
    assert plain is None


@pytest.mark.parametrize(
    ("attributes", "alive_s", "gone_s"),
    [
        ("Max-Age=10", 9.9, 10.0),
        ("Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 9.9, 10.0),
        ("Expires=Fri, 15 Jan 2027 08:00:10 GMT", 9.9, 10.0),  # NOW_S is 08:00:00
        ("Max-Age=x; Expires=Fri, 15-Jan-27 08:00:10 GMT", 9.9, 10.0),
        ("Max-Age=99999999999999", 399 * 86_400.0, 401 * 86_400.0),
    ],
)
def test_a_cookie_ends_when_it_says(attributes: str, alive_s: float, gone_s: float) -> None:
    assert sent(f"a=1; {attributes}", later_s=alive_s) == "a=1"
    assert sent(f"a=1; {attributes}", later_s=gone_s) is None


@pytest.mark.parametrize(
    "ends",
    [
        "Max-Age=0",
        "Max-Age=-1",
        "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "Expires=Mon, 01-Jan-1900 00:00:00 GMT",
    ],
)
def test_a_cookie_is_deleted_by_name_domain_and_path(ends: str) -> None:
    assert sent("a=1; Path=/", "b=2; Path=/", f"a=; Path=/; {ends}") == "b=2"
    assert sent("a=1; Path=/", f"a=; Path=/cart; {ends}") == "a=1"


def test_a_cookie_without_an_expiry_stays_as_long_as_the_jar() -> None:
    assert sent("a=1", later_s=1e9) == "a=1"
    assert sent("a=1; Expires=tomorrow; Max-Age=soon", later_s=1e9) == "a=1"


def test_longer_paths_go_first_then_older_cookies() -> None:
    assert sent("a=1; Path=/", "b=2; Path=/", "c=3; Path=/cart", "a=4; Path=/") == "c=3; a=4; b=2"


def test_the_newest_value_is_found_by_name() -> None:
    jar = CookieJar()
    jar.keep(SHOP, ["pod=a; Path=/", "other=x"], NOW_S)
    assert jar.value("pod") == "a"
    assert jar.value("none") is None
    jar.clear()
    assert jar.header(SHOP, NOW_S) is None


def test_a_jar_does_not_grow_without_end() -> None:
    jar = CookieJar()
    jar.keep(SHOP, [f"c{n}=1" for n in range(1000)], NOW_S)
    header = jar.header(SHOP, NOW_S)
    assert header is not None
    assert len(header.split("; ")) == MOST_COOKIES
    assert header.endswith("c999=1")


def test_an_address_has_no_domains() -> None:
    there = Place("127.0.0.1", "/")
    assert sent("a=1; Domain=127.0.0.1", frm=there, to=there) == "a=1"
    assert sent("a=1; Domain=0.0.1", frm=there, to=there) is None
    assert sent("a=1; Domain=localhost", frm=at("/", "localhost"), to=at("/", "localhost")) == "a=1"
    assert sent("a=1; Domain=localhost", frm=at("/", "localhost"), to=at("/", "a.localhost")) is None


@pytest.mark.parametrize(
    ("text", "moment_s"),
    [
        ("Fri, 15 Jan 2027 08:00:00 GMT", NOW_S),
        ("Friday, 15-Jan-27 08:00:00 GMT", NOW_S),
        ("Fri Jan 15 08:00:00 2027", NOW_S),
        ("Fri, 15 January 2027 8:0:0", NOW_S),
        ("Thu, 01-Jan-70 00:00:01 GMT", 1.0),
        ("Fri, 31 Feb 2027 08:00:00 GMT", None),
        ("Fri, 15 Jan 2027 24:00:00 GMT", None),
        ("Fri, 15 Jan 1600 08:00:00 GMT", None),
        ("15 Jan 2027", None),
        ("", None),
    ],
)
def test_dates_in_any_form(text: str, moment_s: float | None) -> None:
    assert parse_date_s(text) == moment_s


@given(text=st.text(st.characters(max_codepoint=255), max_size=80), path=st.sampled_from(["/", "/a/b"]))
def test_whatever_is_set_is_kept_or_ignored_and_never_another_header(text: str, path: str) -> None:
    header = sent(text, frm=at(path), to=at(path))
    assert header is None or ("\r" not in header and "\n" not in header)


PIECES = [
    "a=1",
    ";",
    "Path",
    "Domain",
    "Expires",
    "Max-Age",
    "=",
    "/",
    ".",
    "example.com",
    "Jan",
    "99:99:99",
    "2027",
    "-",
    "999999999999999999999",
]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12))
def test_pieces_of_cookies_in_any_order_are_read(pieces: list[str]) -> None:
    cookie = parse_cookie("".join(pieces), SHOP, NOW_S)
    assert cookie is None or (cookie.name + cookie.value and cookie.path.startswith("/"))
