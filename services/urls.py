"""Where the database and the store are: URLs that may hold a password, and are read before they are used.

What the drivers say of a malformed URL repeats it. So it never gets to them, and the texts of the errors
here are fixed.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

import psycopg
import redis
from psycopg.conninfo import conninfo_to_dict

CLUSTER, SENTINEL = "redis+cluster", "redis+sentinel"
ONE_SERVER: Final = ("redis", "rediss", "unix")
_DATABASE_SCHEMES: Final = ("postgresql", "postgres")
_MAX_PORT: Final = 65_535
_ENCODE: Final = "percent-encode what a password has of / ? # @"


def read_store_url(url: str) -> SplitResult:
    """The parts of the store's URL. Raises ValueError that says what is wrong and repeats nothing of it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("this is no URL") from None
    if parts.scheme not in (*ONE_SERVER, CLUSTER, SENTINEL):
        raise ValueError(f"the scheme must be one of {', '.join((*ONE_SERVER, CLUSTER, SENTINEL))}")
    if "@" in parts.path + parts.query or parts.fragment:
        raise ValueError(f"there is something after the last host that does not belong there: {_ENCODE}")
    if parts.scheme in ONE_SERVER:
        _check_server(url, parts)
    else:
        hosts(parts)
    if parts.scheme == CLUSTER and parts.path.strip("/"):
        raise ValueError("a cluster has no numbered databases: end the URL after the last host")
    if parts.scheme == SENTINEL and (not parts.path.strip("/") or "/" in parts.path.strip("/")):
        raise ValueError("name the primary that the Sentinels watch: redis+sentinel://h1:p1,h2:p2/NAME")
    return parts


def hosts(parts: SplitResult) -> list[tuple[str, int]]:
    """The hosts and ports of a cluster or of Sentinels. Raises ValueError as `read_store_url`."""
    found = []
    for item in parts.netloc.rpartition("@")[2].split(","):
        host, _, port = item.rpartition(":")
        if not host or not _is_port(port):
            raise ValueError(f"the hosts must be host:port, with commas between them; {_ENCODE}")
        found.append((host.strip("[]"), int(port)))
    return found


def read_database_url(url: str) -> str:
    """The URL of a database, unchanged. Raises ValueError as `read_store_url`."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _DATABASE_SCHEMES:
        raise ValueError(f"it must begin with {' or '.join(f'{name}://' for name in _DATABASE_SCHEMES)}")
    try:
        options = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError("this is no URL of a database") from None
    ports = str(options.get("port", "")).split(",")
    if "@" in rest.partition("/")[2].partition("?")[0] or not all(_is_port(port) for port in ports if port):
        raise ValueError(f"host, port or database cannot be read: {_ENCODE}")
    if not (options.get("host") or options.get("hostaddr")):
        raise ValueError("there is no host in it")
    return url


def _check_server(url: str, parts: SplitResult) -> None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"the port must be a number from 1 to {_MAX_PORT}: {_ENCODE}")
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ValueError(f"there is no host in it: {_ENCODE}")
    number = parts.path.strip("/")
    if parts.scheme != "unix" and number and not (number.isascii() and number.isdigit()):
        raise ValueError("what follows the host must be the number of a database")
    try:
        redis.ConnectionPool.from_url(url).make_connection()  # connects to nothing yet
    except (ValueError, TypeError, redis.RedisError):
        raise ValueError("the options after the question mark cannot be used") from None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) <= _MAX_PORT
