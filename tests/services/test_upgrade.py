"""The opening handshake: what is refused, and what is said of that to whom."""

from __future__ import annotations

import socket

import pytest

from services.refusals import BadRequest
from services.upgrade import shake_hands

OPENING = {
    "PATH_INFO": "/ws",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "shop",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.mark.parametrize("header", ["HTTP_SEC_WEBSOCKET_KEY", "HTTP_UPGRADE", "HTTP_ORIGIN"])
def test_why_a_handshake_is_refused_is_for_the_log_and_not_for_the_client(
    caplog: pytest.LogCaptureFixture, header: str
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(BadRequest) as refused:
            shake_hands({**OPENING, header: "suspicious", "gunicorn.socket": ours}, [])
        assert "suspicious" not in str(refused.value)
        assert "suspicious" in caplog.text
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)  # the answer is the route's to give


def test_the_answer_has_the_headers_that_it_is_given() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert shake_hands({**OPENING, "gunicorn.socket": ours}, [("Statefall-Pod", "pod-a")]) is ours
        answer = theirs.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Statefall-Pod: pod-a\r\n" in answer
