"""One keep-alive connection, plain or TLS, and one send per request.

Nothing is ever sent again: whether the first copy was applied is what the ledger wants to know. A
connection that died while it was idle is noticed before anything is sent on it.

It uses plain sockets; in a load process gevent has patched them.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Final

from statefall.load.answers import NoAnswer
from statefall.load.wire import CutOff, Malformed, Response, read_response
from statefall.records.verdicts import RequestFailure

RECEIVE_BYTES: Final = 65_536


class HttpConnection:
    """To one address, opened again when it ended. Not for two threads or greenlets at once."""

    def __init__(
        self, host: str, port: int, timeout_s: float, tls: ssl.SSLContext | None = None, server_name: str = ""
    ) -> None:
        """`timeout_s` bounds a whole request, from the connect to the last byte of the answer.

        `tls`: whom to trust; None: plain. `server_name`: whose certificate has to be shown.
        """
        self.sent = False
        """Whether the current, or else the last request reached the socket."""
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._tls = tls
        self._server_name = server_name
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Drop the connection; the next request opens another one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, message: bytes, *, bodiless: bool = False) -> Response | NoAnswer:
        """Send one request, at most once, and wait for its answer. `bodiless`: it answers a HEAD."""
        self.sent = False
        deadline = time.monotonic() + self._timeout_s
        try:
            connection = self._connect(deadline)
        except TimeoutError:
            return NoAnswer(sent=False, reason="no connection in time", failure=RequestFailure.TIMEOUT)
        except ssl.SSLCertVerificationError as error:
            return NoAnswer(sent=False, reason=f"certificate not trusted: {error.verify_message}")
        except ssl.SSLError as error:
            return NoAnswer(sent=False, reason=f"no TLS connection: {error.reason or error}")
        except OSError as error:
            reason = f"no connection: {error.strerror or error}"
            return NoAnswer(sent=False, reason=reason, failure=_failure(error))
        except UnicodeError:
            return NoAnswer(sent=False, reason=f"no connection: {self._address[0]!r} is not a host name")
        whole = False
        try:
            self.sent = True
            _bound(connection, deadline)
            connection.sendall(message)
            response = read_response(lambda: _receive(connection, deadline), bodiless=bodiless)
            whole = True
        except TimeoutError:
            return NoAnswer(sent=True, reason="no answer in time", failure=RequestFailure.TIMEOUT)
        except OSError as error:
            reason = f"broken connection: {error.strerror or error}"
            return NoAnswer(sent=True, reason=reason, failure=_failure(error))
        except Malformed as error:
            return NoAnswer(sent=True, reason=f"broken answer: {error}", failure=_failure(error))
        finally:
            # Also when a greenlet is killed in the middle: the answer to this must not reach the next.
            if not whole:
                self.close()
        if not response.keep_alive:
            self.close()
        return response

    def _connect(self, deadline: float) -> socket.socket:
        if self._socket is not None and _is_stale(self._socket):
            self.close()
        if self._socket is None:
            opened = socket.create_connection(self._address, timeout=self._timeout_s)
            try:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    _bound(opened, deadline)
                    opened = self._tls.wrap_socket(opened, server_hostname=self._server_name)
            except BaseException:
                opened.close()
                raise
            self._socket = opened
        return self._socket


def _receive(connection: socket.socket, deadline: float) -> bytes:
    _bound(connection, deadline)
    return connection.recv(RECEIVE_BYTES)


def _bound(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)


def _failure(error: OSError | Malformed) -> RequestFailure:
    if isinstance(error, ConnectionRefusedError):
        return RequestFailure.REFUSED
    return RequestFailure.RESET if isinstance(error, ConnectionError | CutOff) else RequestFailure.BROKEN


def _is_stale(connection: socket.socket) -> bool:
    """Whether an idle connection has ended, or holds bytes that nobody asked for."""
    connection.setblocking(False)
    # TLS cannot peek, and session tickets are bytes on the wire that are no data: it has to read.
    flags = 0 if isinstance(connection, ssl.SSLSocket) else socket.MSG_PEEK
    try:
        connection.recv(1, flags)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    return True
