"""What the routes of the stateful twin share: the cookie that comes, the answer that goes."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from services import contract, web
from services.contract import SessionStatus
from services.sessions.session import Session


def session_cookie() -> str | None:
    """The session cookie of this request."""
    return request.cookies.get(contract.SESSION_COOKIE)


def session_answer(session: Session, status: SessionStatus = SessionStatus.KNOWN, **fields: Any) -> Response:
    """The JSON answer to a request of this session."""
    if session.degraded:
        status, fields = SessionStatus.DEGRADED, {"degraded": True, **fields}
    web.know_session(status, session.version)
    return web.answer(session.user_id, session.version, **fields)
