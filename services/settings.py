"""What a replica must be told from outside, read once at start from `STATEFALL_*` variables.

Secrets come from the environment alone, and outside the local environment a missing or default
one is a refusal to start: a replica that would sign with a well-known key must not run.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from services import contract
from services.urls import read_database_url, read_store_url

LOCAL_KEY: Final = "statefall-local-key-that-signs-nothing-of-worth"
"""Signs where `STATEFALL_ENVIRONMENT=local` and no key was given; refused everywhere else."""
MIN_KEY_BYTES: Final = 32
"""HS256 needs a key at least as long as its output (RFC 7518, section 3.2)."""


_Choice = TypeVar("_Choice", bound=StrEnum)


class SettingsError(Exception):
    """The environment does not hold what a replica needs; the text is one line."""


class Environment(StrEnum):
    """Where the replica runs."""

    LOCAL = "local"
    PRODUCTION = "production"


class SessionDesign(StrEnum):
    """Values of `STATEFALL_STATE`: where a session lives."""

    CLIENT = "client"
    MEMORY = "memory"
    HANDOFF = "handoff"
    WRITE_THROUGH = "write-through"
    EXTERNAL = "external"
    REPLICATED = "replicated"


KEEPS_SESSIONS_OUTSIDE: Final = frozenset(
    {
        SessionDesign.HANDOFF,
        SessionDesign.WRITE_THROUGH,
        SessionDesign.EXTERNAL,
        SessionDesign.REPLICATED,
    }
)
"""Designs in which a session leaves the process, sealed with the state keys."""


class Serialisation(StrEnum):
    """Values of `STATEFALL_SERIALISATION`: how a session is written before it is sealed."""

    JSON = "json"
    MSGPACK = "msgpack"


def new_boot_id() -> str:
    """A random name for one start of one process: memory that survived has the same boot id."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one replica. Times in seconds."""

    pod: str
    database_url: str = field(repr=False)
    store_url: str = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    """The first signs, all verify; tokens and cookies alike."""
    state_keys: tuple[str, ...] = field(default=(), repr=False)
    """The first seals sessions that leave the process, all open them."""
    environment: Environment = Environment.PRODUCTION
    state: SessionDesign | None = None
    """None: the twin's own default (`client` or `memory`)."""
    boot: str = field(default_factory=new_boot_id)
    session_ttl_s: float = contract.DEFAULT_SESSION_TTL_S
    cache_ttl_s: float = 300.0
    """How long a cached profile or dashboard is fresh."""
    serialisation: Serialisation = Serialisation.JSON
    store_replicas: int = 0
    """How many replicas of the store must have a session's write before it is acknowledged."""
    host: str = "127.0.0.1"
    """Where the replica serves; the server's --bind."""
    peer_port: int = 0
    """Where it listens for other replicas in the design `replicated`; 0: any free port."""
    peer_address: str = ""
    """The host that they call. Empty: `host`, or where that is every interface, the one towards the store."""
    secure_cookies: bool = False
    threads: int = 16
    """Requests served at once; the database pool holds a connection for each."""
    max_sessions: int = 0
    """How many sessions may live in a stateful replica before logins are refused; 0: any number."""
    session_connections: int = 32
    """How many sessions of the stateful twin may hold a database connection of their own."""
    websockets: int = 200
    """How many WebSockets may be open; each has a thread of its own and takes none from requests.
    The pool of store connections has room for one each."""
    websocket_ping_s: float = 20.0
    """How often a WebSocket is pinged, and how long it may take to answer."""
    recommendation_rounds: int = 1
    """What recommendations cost to compute: rounds over all purchases, some 5 ms of processor time each."""
    recommendation_ttl_s: float | None = None
    """How long computed recommendations are kept; 0: not at all. None: the twin's own default."""
    login_failures_per_user: int = 10
    """Wrong passwords for one user within `login_window_s` before more logins are refused; 0: no limit."""
    login_failures_per_address: int = 300
    """The same for one client address, whoever it tries to be."""
    login_window_s: float = 300.0
    trusted_proxies: int = 0
    """How many proxies in front append to X-Forwarded-For; 0: the peer's address is the client's."""
    lame_duck_s: float = 0.0
    """From SIGTERM on, a replica that is no longer ready goes on serving for so long, as far as its graceful
    timeout lets."""
    lame_duck_closes: bool = False
    """Whether its answers meanwhile close their connections."""


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsError naming the variable and how to mend it."""
    environment = _choice(environ, "STATEFALL_ENVIRONMENT", Environment, Environment.PRODUCTION)
    given = environ.get("STATEFALL_STATE", "")
    state = _choice(environ, "STATEFALL_STATE", SessionDesign, SessionDesign.CLIENT) if given else None
    return Settings(
        pod=environ.get("STATEFALL_POD") or socket.gethostname(),
        database_url=_database_url(environ),
        store_url=_store_url(environ),
        keys=_keys(environ, environment, "STATEFALL_JWT_KEYS"),
        state_keys=_state_keys(environ, environment, state),
        environment=environment,
        state=state,
        session_ttl_s=_positive(environ, contract.SESSION_TTL, contract.DEFAULT_SESSION_TTL_S),
        cache_ttl_s=_positive(environ, "STATEFALL_CACHE_TTL_S", 300.0),
        serialisation=_choice(environ, "STATEFALL_SERIALISATION", Serialisation, Serialisation.JSON),
        store_replicas=_count(environ, "STATEFALL_STORE_REPLICAS", 0),
        peer_port=_count(environ, "STATEFALL_PEER_PORT", 0),
        peer_address=environ.get("STATEFALL_PEER_ADDRESS", ""),
        secure_cookies=_switch(environ, "STATEFALL_SECURE_COOKIES", environment is not Environment.LOCAL),
        threads=int(_positive(environ, "STATEFALL_THREADS", 16)),
        max_sessions=_count(environ, "STATEFALL_MAX_SESSIONS", 0),
        session_connections=_count(environ, "STATEFALL_SESSION_CONNECTIONS", 32),
        websockets=_count(environ, "STATEFALL_WEBSOCKETS", 200),
        websocket_ping_s=_positive(environ, "STATEFALL_WEBSOCKET_PING_S", 20.0),
        recommendation_rounds=_count(environ, "STATEFALL_RECOMMENDATION_ROUNDS", 1, at_least=1),
        recommendation_ttl_s=_optional_s(environ, "STATEFALL_RECOMMENDATION_TTL_S"),
        login_failures_per_user=_count(environ, "STATEFALL_LOGIN_FAILURES_PER_USER", 10),
        login_failures_per_address=_count(environ, "STATEFALL_LOGIN_FAILURES_PER_ADDRESS", 300),
        login_window_s=_positive(environ, "STATEFALL_LOGIN_WINDOW_S", 300.0),
        trusted_proxies=_count(environ, "STATEFALL_TRUSTED_PROXIES", 0),
        lame_duck_s=_optional_s(environ, "STATEFALL_LAME_DUCK_S") or 0.0,
        lame_duck_closes=_switch(environ, "STATEFALL_LAME_DUCK_CLOSES", False),
    )


def _required(environ: Mapping[str, str], name: str, example: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set (for example {example})")
    return value


def _database_url(environ: Mapping[str, str]) -> str:
    name, example = "STATEFALL_DATABASE_URL", "postgresql://user:password@host/shop"
    try:
        return read_database_url(_required(environ, name, example))
    except ValueError as error:
        raise SettingsError(f"{name}: {error} (for example {example})") from None


def _store_url(environ: Mapping[str, str]) -> str:
    name, example = "STATEFALL_STORE_URL", "redis://host:6379/0"
    url = _required(environ, name, example)
    try:
        read_store_url(url)
    except ValueError as error:
        raise SettingsError(f"{name}: {error} (for example {example})") from None
    return url


def _state_keys(
    environ: Mapping[str, str], environment: Environment, state: SessionDesign | None
) -> tuple[str, ...]:
    if state in KEEPS_SESSIONS_OUTSIDE or environ.get("STATEFALL_STATE_KEYS"):
        return _keys(environ, environment, "STATEFALL_STATE_KEYS")
    return ()


def _keys(environ: Mapping[str, str], environment: Environment, name: str) -> tuple[str, ...]:
    given = environ.get(name, "")
    keys = tuple(key.strip() for key in given.split(",") if key.strip())
    if not keys and environment is Environment.LOCAL:
        return (LOCAL_KEY,)
    if not keys:
        raise SettingsError(
            f"{name} is not set (comma separated, each of at least {MIN_KEY_BYTES} bytes;"
            " STATEFALL_ENVIRONMENT=local does without)"
        )
    if environment is not Environment.LOCAL and LOCAL_KEY in keys:
        raise SettingsError(f"{name} holds the key of the local environment: make keys of your own")
    short = [number for number, key in enumerate(keys, 1) if len(key.encode()) < MIN_KEY_BYTES]
    if short:
        raise SettingsError(
            f"{name}: key {short[0]} is shorter than {MIN_KEY_BYTES} bytes"
            " (for example `openssl rand -hex 32`)"
        )
    return keys


def _choice(environ: Mapping[str, str], name: str, values: type[_Choice], default: _Choice) -> _Choice:
    given = environ.get(name) or default
    try:
        return values(given)
    except ValueError:
        raise SettingsError(f"{name} is {given!r} (one of: {', '.join(values)})") from None


def _positive(environ: Mapping[str, str], name: str, default: float) -> float:
    given = environ.get(name) or str(default)
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SettingsError(f"{name} is {given!r} (a number above 0)")
    return value


def _count(environ: Mapping[str, str], name: str, default: int, *, at_least: int = 0) -> int:
    given = environ.get(name) or str(default)
    if not (given.isascii() and given.isdigit() and at_least <= int(given) <= 1_000_000):
        raise SettingsError(f"{name} is {given!r} (a whole number, at least {at_least})")
    return int(given)


def _optional_s(environ: Mapping[str, str], name: str) -> float | None:
    given = environ.get(name, "")
    if not given:
        return None
    return 0.0 if given == "0" else _positive(environ, name, 0.0)


def _switch(environ: Mapping[str, str], name: str, default: bool) -> bool:
    given = environ.get(name, "").lower()
    if given in {"", "0", "1", "true", "false", "yes", "no"}:
        return given in {"1", "true", "yes"} if given else default
    raise SettingsError(f"{name} is {given!r} (1 or 0)")
