"""How `statefall fault` reaches the process of `statefall up`: a Unix socket in the run's folder.

Only its owner can open it. A caller sends one command as a line of JSON and gets answers, a line each, of
which the last has an exit code. A caller who hangs up (or is killed) wants what lasts to be put back.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from statefall.clusters.registry import CONTROL_SOCKET
from statefall.codec import Codec, Events
from statefall.faults.by_hand import HandFault
from statefall.records.errors import InputError

_LONGEST_LINE: Final = 65_536
_MOST_CALLERS: Final = 16


@dataclass(frozen=True, slots=True)
class FaultCommand:
    """What a caller wants done to what is up."""

    asked: HandFault
    dry_run: bool = False
    """Say what would be touched, and touch nothing."""


@dataclass(frozen=True, slots=True)
class FaultReply:
    """One line of the answer."""

    text: str = ""
    events: Events = ()
    """Of the journal."""
    exit_code: int | None = None
    """Of the caller's command line; the last line has it, with an error as `text` where it is not 0."""


_COMMAND: Final = Codec[FaultCommand](FaultCommand)
_REPLY: Final = Codec[FaultReply](FaultReply)


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Where to bind or connect: a socket's own path may be no longer than 107 bytes."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


@dataclass(slots=True, eq=False)
class Caller:
    """Somebody who connected. A caller who does not listen is not waited for."""

    connection: socket.socket
    command: FaultCommand | None = None
    hung_up: bool = False
    _received: bytes = b""

    def reply(self, reply: FaultReply) -> None:
        """Send a line; the last one ends the conversation."""
        with suppress(OSError):
            self.connection.sendall(_REPLY.encode(reply).encode() + b"\n")
        if reply.exit_code is not None:
            self.connection.close()

    def receive(self) -> bool:
        """Take what has come; True when a whole command has. Raises InputError for nonsense."""
        try:
            more = self.connection.recv(_LONGEST_LINE)
        except BlockingIOError:
            return False
        except OSError:
            more = b""
        if not more:
            self.hung_up = True
            return False
        if self.command is not None:
            return False
        self._received += more
        line, end, _ = self._received.partition(b"\n")
        if not end and len(line) < _LONGEST_LINE:
            return False
        self.command = _COMMAND.decode(line, where="the command")
        return True


@dataclass(slots=True)
class ControlSocket:
    """The end of the process that holds the service. For one thread; use it as a context."""

    path: Path
    _listener: socket.socket = field(init=False, repr=False)
    _selector: selectors.DefaultSelector = field(init=False, repr=False)

    def __enter__(self) -> Self:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.setblocking(False)
        with _address(self.path) as address:
            self._listener.bind(address)
        self.path.chmod(0o600)  # before anybody is listened to
        self._listener.listen(_MOST_CALLERS)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.path.unlink(missing_ok=True)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Caller):
                key.data.connection.close()
        self._listener.close()
        self._selector.close()

    def poll(self, timeout_s: float) -> list[Caller]:
        """Callers whose command has just come, after at most so long. What is nonsense is refused here."""
        found = []
        for key, _ in self._selector.select(timeout_s):
            caller = key.data
            if caller is None:
                self._accept()
                continue
            try:
                if caller.receive():
                    found.append(caller)
            except InputError as error:
                caller.reply(FaultReply(text=str(error), exit_code=error.exit_code))
                caller.hung_up = True
            if caller.hung_up:
                self._selector.unregister(key.fileobj)
                if caller.command is None:
                    caller.connection.close()
        return found

    def end(self, caller: Caller, *, text: str = "", exit_code: int = 0) -> None:
        """Send the last line, and hear no more of this caller."""
        with suppress(KeyError, ValueError):  # hung up before
            self._selector.unregister(caller.connection)
        caller.reply(FaultReply(text=text, exit_code=exit_code))

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # gone again
            return
        connection.setblocking(False)
        if len(self._selector.get_map()) > _MOST_CALLERS:
            connection.close()
            return
        self._selector.register(connection, selectors.EVENT_READ, Caller(connection))


class ControlCall:
    """The caller's end: `next` for each answer; `hang_up` has what lasts put back."""

    def __init__(self, path: Path, command: FaultCommand) -> None:
        """Raises OSError where nobody listens."""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            with _address(path) as address:
                self._socket.connect(address)
            self._socket.sendall(_COMMAND.encode(command).encode() + b"\n")
        except BaseException:
            self._socket.close()
            raise
        self._received = b""

    def next(self) -> FaultReply | None:
        """The next line; None when the other end is gone."""
        while b"\n" not in self._received:
            try:
                more = self._socket.recv(_LONGEST_LINE)
            except OSError:
                more = b""
            if not more:
                return None
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return _REPLY.decode(line, where="the answer")

    def hang_up(self) -> None:
        """Say that enough was seen; the answers go on until the last. From a signal's handler too."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Drop the connection."""
        self._socket.close()


def listening(folders: tuple[Path, ...]) -> list[Path]:
    """Those of these run folders whose process takes commands."""
    return [folder for folder in dict.fromkeys(folders) if _listens(folder / CONTROL_SOCKET)]


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            with _address(path) as address:
                probe.connect(address)
        except OSError:
            return False
    return True
