"""Where a service is and how it is reached: address, trust, and the name under which users know it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from statefall.records.errors import InputError
from statefall.records.service import Reached

PORTS: Final = {"http": 80, "https": 443}
_AS_THEY_ARE: Final = "/%:@!$&'()*+,;=?#[]~"
"""Characters of a URL that are not escaped (again)."""
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS: Final = ("content-length", "transfer-encoding", "connection")
_HINT: Final = "for example https://shop.example.com"


@dataclass(frozen=True, slots=True)
class Site:
    """One service, made once for all its users: trust is slow to read."""

    host: str
    """Where to connect; with `port`."""
    port: int
    origin: str
    """Scheme and authority as users see them, in front of every path."""
    authority: str
    """The Host header."""
    hostname: str
    """The authority without its port, in lower case: whose certificate and whose cookies."""
    base_path: str
    headers: Mapping[str, str]
    secure: bool
    """Whether Secure cookies are kept and sent."""
    tls: ssl.SSLContext | None = None
    connects_to: str = ""
    """The origin of the URL, where that is another one."""

    @classmethod
    def of(cls, url: str, reached: Reached | None = None) -> Site:
        """Raises InputError for what is no base URL, no host, no header, or no certificates."""
        reached = reached or Reached()
        parts = _split(url, "url")
        if parts.scheme not in PORTS or not parts.hostname or parts.query or parts.fragment:
            raise InputError(f"{url!r} is not a base URL of http or https", where="url", hint=_HINT)
        checked_headers(reached.headers, "headers")
        seen = _host(reached.host) if reached.host else parts
        # Behind a balancer that ends TLS, users see https although the load does not speak it.
        forwarded = {name.lower(): value for name, value in reached.headers.items()}.get("x-forwarded-proto")
        scheme = forwarded if forwarded in PORTS else parts.scheme
        origin = _origin(scheme, seen)
        base_path = escaped(f"{parts.path.rstrip('/')}/{reached.base_path.strip('/')}").rstrip("/")
        return cls(
            parts.hostname,
            PORTS[parts.scheme] if parts.port is None else parts.port,
            origin,
            origin.partition("//")[2],
            seen.hostname or "",
            base_path,
            dict(reached.headers),
            scheme == "https" or _is_loopback(seen.hostname or ""),
            _trust(reached.ca_file) if parts.scheme == "https" else None,
            _origin(parts.scheme, parts),
        )

    def target_of(self, url: str) -> str | None:
        """Path and query of a URL of this site; None: it leads elsewhere."""
        try:
            parts = urlsplit(url)
            origin = _origin(parts.scheme, parts) if parts.hostname else ""
        except ValueError:
            return None
        if origin not in (self.origin, self.connects_to):
            return None
        path = parts.path or "/"
        return escaped(f"{path}?{parts.query}" if parts.query else path)


def escaped(text: str, charset: str = "utf-8") -> str:
    """A URL, or a part of one, in ASCII and without blanks; what is escaped already stays so."""
    return quote(text, safe=_AS_THEY_ARE, encoding=charset, errors="replace")


def checked_headers(headers: Mapping[str, str], where: str) -> None:
    """Raises InputError for a header that cannot be sent."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise InputError(f"{name!r}: {value!r} is not a header", where=where)
        if name.lower() in _OURS:
            raise InputError(f"{name} is set by the client itself", where=where)


def checked_method(method: str) -> str:
    """In upper case. Raises InputError for what is none."""
    if not _TOKEN.fullmatch(method):
        raise InputError(f"{method!r} is not an HTTP method", where="method")
    return method.upper()


def _split(url: str, where: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InputError(f"{url!r} is not a URL: {error}", where=where, hint=_HINT) from None
    if parts.username is not None:
        raise InputError("a URL holds no user and no password", where=where, hint="say them as a header")
    return parts


def _host(host: str) -> SplitResult:
    parts = _split(f"//{host}", "host")
    if not parts.hostname or host != parts.netloc or not _VALUE.fullmatch(host) or " " in host:
        raise InputError(f"{host!r} is not a host", where="host", hint="for example shop.example.com")
    return parts


def _origin(scheme: str, parts: SplitResult) -> str:
    """Without a port that the scheme says already. Raises ValueError for a port that is none."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    return f"{scheme}://{host}" if port is None or port == PORTS.get(scheme) else f"{scheme}://{host}:{port}"


def _is_loopback(host: str) -> bool:
    """As browsers do, which keep Secure cookies of their own machine without TLS."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        said = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise InputError(f"no certificates can be read: {said}", where=ca_file, hint="a PEM file") from None
    context.set_alpn_protocols(["http/1.1"])
    return context
