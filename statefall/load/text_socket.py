"""A WebSocket of texts, opened once with the cookies and headers of a journey's session.

Uses websocket-client over plain sockets; in a load process gevent has patched them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import websocket as client
from websocket import ABNF

from statefall.load.answers import Headers, HttpAnswer, HttpRequest, NoAnswer
from statefall.load.site import Site

SWITCHED = 101


class TextSocket:
    """An open connection. One greenlet may receive while another sends."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def send(self, text: str) -> bool:
        """Whether it left; a connection that cannot send is over, as its reader will find."""
        try:
            self._opened.send(text)
        except (client.WebSocketException, OSError):
            return False
        return True

    def receive(self) -> str | None:
        """The next text; None: the connection is over."""
        while True:
            try:
                kind, data = self._opened.recv_data()
            except (client.WebSocketException, OSError):
                return None
            if kind == ABNF.OPCODE_CLOSE:
                return None
            if kind in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY):
                return bytes(data).decode(errors="replace")

    def close(self) -> None:
        """Close in order, without waiting for the other side."""
        try:
            self._opened.send_close()
        except (client.WebSocketException, OSError):
            return  # it was over already
        finally:
            self._opened.shutdown()


def open_text_socket(
    site: Site, request: HttpRequest, cookie: str | None, headers: Mapping[str, str], timeout_s: float
) -> tuple[TextSocket | None, HttpAnswer | NoAnswer]:
    """Send the handshake once. The connection, where it was answered with one, and the answer."""
    lines = {**site.headers, **request.headers, **headers}
    scheme = "ws" if site.tls is None else "wss"
    host = f"[{site.host}]" if ":" in site.host else site.host
    try:
        opened = client.create_connection(
            f"{scheme}://{host}:{site.port}{request.target}",
            timeout=timeout_s,
            cookie=cookie,
            header=[f"{name}: {value}" for name, value in lines.items()],
            host=site.authority,
            origin=site.origin,
            sslopt={} if site.tls is None else {"context": site.tls, "server_hostname": site.hostname},
            redirect_limit=0,
            http_no_proxy=["*"],
        )
    except client.WebSocketBadStatusException as error:
        answered = Headers((str(name), str(value)) for name, value in (error.resp_headers or {}).items())
        return None, HttpAnswer(error.status_code, answered, error.resp_body or b"", request)
    except (client.WebSocketException, OSError) as error:
        return None, NoAnswer(sent=True, reason=f"no WebSocket: {error or type(error).__name__}")
    opened.settimeout(None)
    answered = Headers((str(name), str(value)) for name, value in (opened.getheaders() or {}).items())
    set_cookie = answered.get("set-cookie")
    cookies = (set_cookie,) if set_cookie else ()
    return TextSocket(opened), HttpAnswer(SWITCHED, answered, b"", request, cookies)
