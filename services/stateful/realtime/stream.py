"""The WebSocket protocol on one socket, in one thread: frames, pings, deadlines, closing.

Frames are made and read by `websockets`, without I/O; this module moves the bytes. Nothing here
waits without a deadline: a peer that does not read, does not answer pings or does not finish closing
is given up.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from services.stateful.realtime.outbox import Outbox

MAX_MESSAGE_BYTES: Final = 4096
RECEIVE_BYTES: Final = 4096
"""So little at once that the answers to it fit into an outbox."""
SEND_BUFFER_BYTES: Final = 64 * 1024
"""What the kernel may hold back for a slow reader; by itself it would take megabytes."""
SEND_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 1.0
"""How long the peer may take to confirm that the connection is closed."""


class Ending(StrEnum):
    """How a connection came to its end."""

    CLIENT = "client"
    """The client closed it in order."""
    SERVER = "server"
    """This replica closed it in order."""
    BAD = "bad"
    """The client sent what the protocol does not allow."""
    SILENT = "silent"
    """No answer to a ping in time."""
    BROKEN = "broken"
    """It was cut, or nothing could be sent on it any more."""


@dataclass(slots=True)
class Vitals:
    """When a connection began and last showed life. Unix times in seconds."""

    connected_at_s: float
    last_ping_at_s: float | None = None
    last_pong_at_s: float | None = None


class WebSocketStream:
    """A socket on which the opening handshake is done."""

    def __init__(self, connection: socket.socket, outbox: Outbox, vitals: Vitals, *, ping_s: float) -> None:
        """Pings are sent every `ping_s`, and each must be answered within the same time."""
        self._socket, self._outbox, self._vitals, self._ping_s = connection, outbox, vitals, ping_s
        self._protocol = ServerProtocol(state=State.OPEN, max_size=MAX_MESSAGE_BYTES)
        self._parts: list[bytes] = []
        self._ping_due_s = time.monotonic() + ping_s
        self._pong_due_s: float | None = None
        self._closed_due_s: float | None = None
        self._ending: Ending | None = None

    def serve(self, received: Callable[[str], None]) -> Ending:
        """Call `received` with each text message, send what the outbox holds; returns when it is over."""
        self._socket.settimeout(SEND_TIMEOUT_S)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        try:
            with selectors.PollSelector() as ready:
                ready.register(self._socket, selectors.EVENT_READ)
                ready.register(self._outbox, selectors.EVENT_READ)
                while self._protocol.state is not State.CLOSED:
                    over = self._overdue(time.monotonic())
                    if over is not None:
                        return over
                    self._turn(ready, received)
        except OSError:
            return self._ending or Ending.BROKEN
        finally:
            self._outbox.discard()
            self._socket.close()
        return self._ending or Ending.BROKEN

    def _turn(self, ready: selectors.BaseSelector, received: Callable[[str], None]) -> None:
        due_s = self._closed_due_s or min(self._ping_due_s, self._pong_due_s or self._ping_due_s)
        events = ready.select(max(0.0, due_s - time.monotonic()))
        if any(key.fileobj is self._socket for key, _ in events):
            self._receive(received)
        self._send_waiting()
        self._flush()

    def _overdue(self, now_s: float) -> Ending | None:
        if self._closed_due_s is not None:
            return self._ending if now_s >= self._closed_due_s else None
        if self._pong_due_s is not None and now_s >= self._pong_due_s:
            return Ending.SILENT
        return None

    def _receive(self, received: Callable[[str], None]) -> None:
        data = self._socket.recv(RECEIVE_BYTES)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.PONG:
                self._pong_due_s = None
                self._vitals.last_pong_at_s = time.time()
            elif event.opcode in (Opcode.TEXT, Opcode.CONT):
                self._text(event, received)
            elif event.opcode is Opcode.BINARY:
                self._fail(CloseCode.UNSUPPORTED_DATA, "messages are text")
            elif event.opcode is Opcode.CLOSE:
                self._ending = self._ending or Ending.CLIENT
        if self._protocol.parser_exc is not None and not isinstance(self._protocol.parser_exc, EOFError):
            self._ending = self._ending or Ending.BAD

    def _text(self, frame: Frame, received: Callable[[str], None]) -> None:
        self._parts.append(bytes(frame.data))
        if not frame.fin or self._protocol.state is not State.OPEN:
            return
        message, self._parts = b"".join(self._parts), []
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "a text message is UTF-8")
            return
        received(text)

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._protocol.fail(code, reason)
        self._ending = self._ending or Ending.BAD

    def _send_waiting(self) -> None:
        texts, close = self._outbox.take()
        if self._protocol.state is State.OPEN:
            for text in texts:
                self._protocol.send_text(text.encode())
            if close is not None:
                self._protocol.send_close(close.code, close.reason)
                self._ending = Ending.SERVER
        now_s = time.monotonic()
        if self._closed_due_s is None and self._protocol.state is State.CLOSING:
            self._closed_due_s = now_s + CLOSE_TIMEOUT_S
        if now_s >= self._ping_due_s:
            self._ping_due_s = now_s + self._ping_s
            if self._protocol.state is State.OPEN:
                self._protocol.send_ping(b"")
                self._vitals.last_ping_at_s = time.time()
                self._pong_due_s = self._pong_due_s or self._ping_due_s

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)
            else:
                self._socket.shutdown(socket.SHUT_WR)
