"""The route on which a request becomes a WebSocket."""

from __future__ import annotations

from flask import Flask, Response, request

from services import contract, web
from services.contract import SessionStatus
from services.settings import Settings
from services.stateful.answers import session_cookie
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
        opened = shake_hands(request.environ, self._headers)
        web.know_session(SessionStatus.KNOWN, session.version)
        self._service.take(opened, session, cookie)
        return UpgradedResponse()
