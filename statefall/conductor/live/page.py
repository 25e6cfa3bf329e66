"""The page itself: a server on loopback, for who is on this machine.

Only a page that this server drew knows the token without which nothing is done, and only requests that name
loopback as their host are answered: another site open in the same browser can neither read nor do anything.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import Flask, Response, abort, request
from flask.typing import ResponseReturnValue
from jinja2 import Environment, PackageLoader, StrictUndefined
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from statefall.conductor.live.figures import LiveFigures
from statefall.records.errors import InputError
from statefall.records.faults import FaultKind
from statefall.results.pages import stylesheet

PROOF_HEADER: Final = "Statefall-Token"
LOOPBACK: Final = "127.0.0.1"
STATE: Final = "/state.json"
FAULT: Final = "/fault"
LINGERS_S: Final = 2.5
Strike = Callable[[FaultKind], str]
"""Has a fault carried out; what it will touch, in words. Raises InputError where it is refused."""


class _Silent(WSGIRequestHandler):
    """Nobody wants a line for each second on the terminal of a run."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name that werkzeug calls
        """Say nothing."""


class LivePage:
    """From `open` to `close`; its threads end with the process."""

    def __init__(
        self,
        figures: LiveFigures,
        *,
        kinds: Sequence[FaultKind] = (),
        strike: Strike | None = None,
        links: Sequence[tuple[str, str]] = (),
        port: int = 0,
    ) -> None:
        """`kinds`: faults that have a button, which calls `strike` on one of the page's threads.

        `port` 0: any that is free.
        """
        self._port = port
        self._figures, self._kinds, self._strike = figures, tuple(kinds), strike
        self._links = tuple(links)
        self._token = secrets.token_urlsafe(24)
        self._server: BaseWSGIServer | None = None
        self._looked_s = 0.0
        self._looked = threading.Event()

    def open(self) -> str:
        """Serve from now on; the page's URL. Raises InputError where the port is taken."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        with self._listening() as listener:  # the server has a descriptor of its own
            port: int = listener.getsockname()[1]
            self._server = make_server(
                LOOPBACK, port, self._app(), threaded=True, request_handler=_Silent, fd=listener.fileno()
            )
        threading.Thread(target=self._server.serve_forever, name="live page", daemon=True).start()
        return f"http://{LOOPBACK}:{port}/"

    def _listening(self) -> socket.socket:
        """Of a port that is taken, werkzeug would tell in lines of its own, and end the process."""
        try:
            return socket.create_server((LOOPBACK, self._port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(f"port {self._port} of {LOOPBACK}: {reason}", where="--ui-port") from error

    def close(self) -> None:
        """Serve no more, once whoever looks at the page has seen its last state."""
        if self._server is not None:
            self._looked.clear()
            if time.monotonic() - self._looked_s < LINGERS_S:
                self._looked.wait(LINGERS_S)
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _app(self) -> Flask:
        app = Flask("statefall.live")
        app.config["MAX_CONTENT_LENGTH"] = 4096
        app.before_request(self._refuse_strangers)
        app.after_request(_guarded)
        app.add_url_rule("/", "page", self._page)
        app.add_url_rule(STATE, "state", self._state)
        app.add_url_rule(FAULT, "fault", self._fault, methods=["POST"])
        return app

    def _refuse_strangers(self) -> None:
        """A name that leads to loopback by somebody else's DNS is no name of this machine."""
        if request.host.rpartition(":")[0] not in {LOOPBACK, "localhost"}:
            abort(403)

    def _page(self) -> ResponseReturnValue:
        kinds = [kind.value for kind in self._kinds]
        page = _template().render(style=stylesheet(), token=self._token, kinds=kinds, links=self._links)
        return Response(page)

    def _state(self) -> ResponseReturnValue:
        document = self._figures.document()
        self._looked_s = time.monotonic()
        self._looked.set()
        return _json(document)

    def _fault(self) -> ResponseReturnValue:
        if not hmac.compare_digest(request.headers.get(PROOF_HEADER, ""), self._token):
            abort(403)
        asked = request.get_json(silent=True)
        wanted = asked.get("kind") if isinstance(asked, dict) else None
        kind = next((kind for kind in self._kinds if kind == wanted), None)
        if kind is None or self._strike is None:
            return _json({"error": "there is no such button"}), 400
        try:
            return _json({"said": self._strike(kind)}), 202
        except InputError as error:
            return _json({"error": str(error)}), 409


def _json(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document, allow_nan=False), content_type="application/json")


def _guarded(response: Response) -> Response:
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
    response.headers["Content-Security-Policy"] = f"{policy}; img-src data:; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("statefall.conductor", "live"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("live.html.j2")
