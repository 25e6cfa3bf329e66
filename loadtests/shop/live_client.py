"""The shoppers' WebSocket: one connection, opened with the cookies of the HTTP client beside it.

Uses websocket-client over plain sockets; in a load process gevent has patched them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import websocket as client
from websocket import ABNF

from .client import Target
from .contract import WEBSOCKET

QUIET_LIMIT_S: Final = 60.0
"""A service pings more often than that; one that is silent for so long is gone."""


@dataclass(frozen=True, slots=True)
class HandshakeRefused:
    """The opening handshake was not answered with a WebSocket."""

    status: int | None
    """None: there was no answer at all."""
    headers: Mapping[str, str]
    body: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionEnd:
    """How a connection ended."""

    code: int | None
    """The close code; None: it was cut without one."""
    reason: str


class WebSocket:
    """An open connection. One greenlet may receive while another sends."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    @property
    def set_cookie(self) -> str | None:
        """What the answer to the handshake wants to be remembered."""
        found = self._opened.getheaders().get("set-cookie")
        return found if isinstance(found, str) else None

    def send(self, message: Mapping[str, Any]) -> bool:
        """Whether it left; a connection that cannot send is over, as its reader will find."""
        try:
            self._opened.send(json.dumps(message, separators=(",", ":")))
        except (client.WebSocketException, OSError):
            return False
        return True

    def receive(self) -> Mapping[str, Any] | ConnectionEnd:
        """The next message, or how the connection ended."""
        try:
            kind, data = self._opened.recv_data()
        except client.WebSocketTimeoutException:
            return ConnectionEnd(None, "silent for too long")
        except (client.WebSocketException, OSError) as error:
            return ConnectionEnd(None, f"cut: {error}")
        if kind == ABNF.OPCODE_CLOSE:
            code = int.from_bytes(data[:2]) if len(data) >= 2 else None
            return ConnectionEnd(code, data[2:].decode(errors="replace"))
        try:
            message = json.loads(data)
        except ValueError:
            return ConnectionEnd(None, f"not JSON: {data[:40]!r}")
        return message if isinstance(message, dict) else ConnectionEnd(None, f"not an object: {data[:40]!r}")

    def close(self) -> None:
        """Close in order, without waiting for the other side."""
        try:
            self._opened.send_close()
        except (client.WebSocketException, OSError):
            return  # it was over already
        finally:
            self._opened.shutdown()


def open_websocket(
    target: Target, cookies: Mapping[str, str], timeout_s: float
) -> WebSocket | HandshakeRefused:
    """Open one. Sends the handshake once."""
    try:
        opened = client.create_connection(
            f"ws://{target.authority}{target.prefix}{WEBSOCKET}",
            timeout=timeout_s,
            cookie="; ".join(f"{name}={value}" for name, value in cookies.items()),
            redirect_limit=0,
            http_no_proxy=["*"],
        )
    except client.WebSocketBadStatusException as error:
        headers = {name.lower(): value for name, value in (error.resp_headers or {}).items()}
        return HandshakeRefused(
            error.status_code, headers, error.resp_body or b"", f"answered {error.status_code}"
        )
    except (client.WebSocketException, OSError) as error:
        return HandshakeRefused(None, {}, b"", f"no connection: {error or type(error).__name__}")
    opened.settimeout(QUIET_LIMIT_S)
    return WebSocket(opened)
