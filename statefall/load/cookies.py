"""Cookies as a browser keeps them: the rules of RFC 6265 and of its revision that browsers follow.

`http.cookiejar` keeps those of older standards: it invents a domain for hosts without a dot, and
takes an expiry before 1970 for none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final, Protocol

MOST_COOKIES: Final = 180
"""What a browser keeps of one site; the oldest go first."""
MAX_COOKIE_BYTES: Final = 4096
"""Of name and value; longer ones are ignored."""
MAX_AGE_S: Final = 400 * 86_400
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}\Z")
_DELIMITER: Final = re.compile(r"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME: Final = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)", re.ASCII)
_DAY: Final = re.compile(r"(\d{1,2})(?!\d)", re.ASCII)
_YEAR: Final = re.compile(r"(\d{2,4})(?!\d)", re.ASCII)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes, as cookies see it."""

    host: str
    """In lower case, without port."""
    path: str
    """Without the query."""
    secure: bool = False
    """Whether Secure cookies are for it: https, or a browser's own machine."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie and whom it is for."""

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires_s: float | None
    """On the wall clock; None: with the jar."""

    def is_for(self, place: Place) -> bool:
        """Whether a request to this place carries it."""
        of_host = place.host == self.domain if self.host_only else _is_within(place.host, self.domain)
        return of_host and _is_under(place.path, self.path) and (place.secure or not self.secure)


class Cookies(Protocol):
    """What is known of any browser's cookies."""

    def value(self, name: str) -> str | None:
        """The newest value under this name; None: there is none."""

    def clear(self) -> None:
        """Forget everything, as a new browser."""


class CookieJar:
    """The cookies of one browser. Its tabs may share it."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def keep(self, place: Place, set_cookies: Iterable[str], now_s: float) -> None:
        """Remember what an answer sets, and forget what it ends. `now_s` is on the wall clock."""
        for text in set_cookies:
            cookie = parse_cookie(text, place, now_s)
            if cookie is None:
                continue
            key = (cookie.domain, cookie.path, cookie.name)
            if cookie.expires_s is not None and cookie.expires_s <= now_s:
                self._cookies.pop(key, None)
            else:
                self._cookies[key] = cookie  # in the place of an older one, as its age decides the order
        while len(self._cookies) > MOST_COOKIES:
            del self._cookies[next(iter(self._cookies))]

    def sent_to(self, place: Place, now_s: float) -> tuple[Cookie, ...]:
        """The cookies for a request there: longer paths first, then older ones. Expired ones go."""
        for key in [k for k, c in self._cookies.items() if c.expires_s is not None and c.expires_s <= now_s]:
            del self._cookies[key]
        found = [cookie for cookie in self._cookies.values() if cookie.is_for(place)]
        return tuple(sorted(found, key=lambda cookie: -len(cookie.path)))

    def header(self, place: Place, now_s: float) -> str | None:
        """The Cookie header of a request there; None: no cookie is for it."""
        found = self.sent_to(place, now_s)
        return "; ".join(f"{c.name}={c.value}" if c.name else c.value for c in found) or None

    def value(self, name: str) -> str | None:
        """The newest value under this name, wherever it is sent; None: there is none."""
        found = [cookie.value for cookie in self._cookies.values() if cookie.name == name]
        return found[-1] if found else None

    def clear(self) -> None:
        """Forget everything, as a new browser."""
        self._cookies.clear()


def parse_cookie(text: str, place: Place, now_s: float) -> Cookie | None:
    """What a `Set-Cookie` of an answer from there means; None: a browser ignores it."""
    pair, *attributes = text.split(";")
    name, equals, value = pair.partition("=")
    name, value = (name.strip(), value.strip()) if equals else ("", pair.strip())
    if _CONTROL.search(text) or not name + value or len(name) + len(value) > MAX_COOKIE_BYTES:
        return None
    said = _attributes(attributes)
    domain = said.get("domain", "").removeprefix(".").lower()
    secure, path = "secure" in said, said.get("path", "")
    if domain and domain != place.host and not ("." in domain and _is_within(place.host, domain)):
        return None
    if secure and not place.secure:
        return None
    if not path.startswith("/"):
        path = place.path.rpartition("/")[0] or "/"
    if name.lower().startswith("__secure-") and not secure:
        return None
    if name.lower().startswith("__host-") and (not secure or domain or said.get("path") != "/"):
        return None
    host_only = not domain or (domain == place.host and "." not in domain)
    return Cookie(name, value, domain or place.host, host_only, path, secure, _expiry_s(said, now_s))


def _attributes(attributes: Iterable[str]) -> dict[str, str]:
    """By name in lower case; of two with one name, the last that is not too long."""
    parts = (attribute.partition("=") for attribute in attributes)
    return {name.strip().lower(): value.strip() for name, _, value in parts if len(value) <= 1024}


def _expiry_s(said: dict[str, str], now_s: float) -> float | None:
    age = said.get("max-age", "")
    if _INTEGER.match(age):
        return now_s + min(int(age), MAX_AGE_S) if int(age) > 0 else float("-inf")
    moment_s = parse_date_s(said["expires"]) if "expires" in said else None
    return None if moment_s is None else min(moment_s, now_s + MAX_AGE_S)


def parse_date_s(text: str) -> float | None:
    """A cookie's date in any of the forms that browsers take (RFC 6265, 5.1.1); None: it is none."""
    clock: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _DELIMITER.split(text):
        if clock is None and (found := _TIME.match(token)):
            clock = int(found[1]), int(found[2]), int(found[3])
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
    if clock is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    try:
        moment = datetime(year, month, day, clock[0], clock[1], clock[2], tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() if year >= 1601 else None


def _is_within(host: str, domain: str) -> bool:
    """Whether a host is the domain or below it. An address has nothing above it."""
    return host == domain or (host.endswith(f".{domain}") and not _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_under(path: str, above: str) -> bool:
    return path == above or path.startswith(above if above.endswith("/") else f"{above}/")
