"""The route on which a request becomes a WebSocket."""

from __future__ import annotations

from flask import Flask, Response, request

from services import contract
from services.contract import SessionStatus
from services.sessions.session import Session
from services.settings import Settings
from services.stateful.answers import session_cookie, tell_session
from services.stateful.lookup import Lookup
from services.stateful.realtime.websocket_service import StatefulWebSocketService
from services.upgrade import UpgradedResponse, shake_hands


class WebSocketRoute:
    """Only somebody with a session may connect; everybody else is refused as on any other route."""

    def __init__(self, settings: Settings, lookup: Lookup, service: StatefulWebSocketService) -> None:
        self._lookup, self._service = lookup, service
        self._headers = [(contract.POD_HEADER, settings.pod), (contract.BOOT_HEADER, settings.boot)]

    def register(self, app: Flask) -> None:
        """Add the route, which nothing but an opening handshake matches."""
        app.add_url_rule(contract.WEBSOCKET, "websocket", self.connect, websocket=True)

    def connect(self) -> Response:
        """Open a WebSocket."""
        cookie = session_cookie()
        session = self._lookup.load(cookie)
        assert cookie is not None
        self._service.check_open()
        tell_session(session)
        opened = shake_hands(request.environ, [*self._headers, *_session_headers(session)])
        self._service.take(opened, session, cookie)
        return UpgradedResponse()


def _session_headers(session: Session) -> list[tuple[str, str]]:
    """As every other answer has them; this one is not sent by the server, which would add them."""
    if session.degraded:
        return [(contract.SESSION_HEADER, SessionStatus.DEGRADED.value)]
    return [
        (contract.SESSION_HEADER, SessionStatus.KNOWN.value),
        (contract.VERSION_HEADER, str(session.version)),
    ]
