"""What the routes of the stateful twin share: the cookie that comes, the answer that goes."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, g, has_request_context, request

from services import contract, web
from services.contract import SessionStatus
from services.sessions.session import Session


def session_cookie() -> str | None:
    """The session cookie of this request."""
    return request.cookies.get(contract.SESSION_COOKIE)


def renew_cookie(cookie: str) -> None:
    """Give the client this cookie with the answer; a WebSocket has no way to take one."""
    if has_request_context():
        g.renewed_cookie = cookie


def send_renewed_cookie(response: Response) -> Response:
    """Called after each request."""
    if "renewed_cookie" in g and not response.headers.getlist("Set-Cookie"):
        set_session_cookie(response, g.renewed_cookie)
    return response


def set_session_cookie(response: Response, cookie: str) -> None:
    """Give the client its cookie: out of reach of scripts and of other sites' requests."""
    response.set_cookie(
        contract.SESSION_COOKIE,
        cookie,
        httponly=True,
        samesite="Lax",
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        path="/",
    )


def session_answer(session: Session, status: SessionStatus = SessionStatus.KNOWN, **fields: Any) -> Response:
    """The JSON answer to a request of this session."""
    tell_session(session, status)
    marked = {"degraded": True} if session.degraded else {}
    return web.answer(session.user_id, session.version, **marked, **fields)


def tell_session(session: Session, status: SessionStatus = SessionStatus.KNOWN) -> None:
    """Say on this request's answer what became of its session; a degraded one has no version."""
    if session.degraded:
        web.know_session(SessionStatus.DEGRADED)
    else:
        web.know_session(status, session.version)
