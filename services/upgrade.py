"""From an HTTP request to a WebSocket: the opening handshake, and how the connection changes hands.

gunicorn has no word for a connection that stops being HTTP. The route answers the handshake on the
socket itself and gives that to a thread of its own; then it leaves by raising `Upgraded`, and the
worker (see `draining`) neither closes the socket nor counts it any more. So an open WebSocket takes
no thread from requests.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from flask import Response
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Origin

from services.refusals import BadRequest

_SOCKET: Final = "gunicorn.socket"

logger = logging.getLogger(__name__)


class Upgraded(Exception):
    """The connection belongs to somebody else now."""


class UpgradedResponse(Response):
    """What a route returns after the handshake: there is nothing left to send."""

    def __call__(self, environ: Mapping[str, Any], start_response: Any) -> NoReturn:
        """Called by the server in place of sending a response."""
        raise Upgraded


def shake_hands(environ: Mapping[str, Any], headers: Iterable[tuple[str, str]]) -> socket.socket:
    """Answer the opening handshake, with these headers besides, and return the connection's socket.

    Raises BadRequest when it is no handshake, or when a page of another site wants to connect with
    this user's cookie.
    """
    if _SOCKET not in environ:
        raise BadRequest("this server has no WebSockets")
    names = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    request = Request(
        environ.get("PATH_INFO", "/"),
        Headers([(name[5:].replace("_", "-").title(), value) for name, value in names.items()]),
        protocol=environ.get("SERVER_PROTOCOL", ""),
    )
    host = names.get("HTTP_HOST", "")
    protocol = ServerProtocol(origins=[None, Origin(f"http://{host}"), Origin(f"https://{host}")])
    response = protocol.accept(request)
    if response.status_code != 101:
        # What the library says of it may repeat what the client sent.
        logger.warning("no WebSocket: %r", protocol.handshake_exc)
        raise BadRequest("this is not an opening handshake of a WebSocket, or one from another site")
    for name, value in headers:
        response.headers[name] = value
    connection: socket.socket = environ[_SOCKET]
    connection.sendall(response.serialize())
    return connection
