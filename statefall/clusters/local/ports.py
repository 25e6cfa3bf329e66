"""Ports that stay one's own although nobody listens on them just now.

A pod keeps its address while its container is dead. To keep others off that port, the harness
holds a socket that is bound but never listens: a connection is refused at once, the kernel gives
the port to nobody else, and the replica can still bind and listen, because both sockets allow
the address to be reused (Linux: `inet_csk_bind_conflict`).
"""

from __future__ import annotations

import fcntl
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from statefall.clusters.local.identity import LINUX
from statefall.records.errors import EnvironmentUnfit, InputError

LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class Port:
    """A port of the loopback address, held until released."""

    number: int
    _holder: socket.socket | None = field(repr=False)
    _lock: int = field(default=-1, repr=False)

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{LOOPBACK}:{self.number}"

    @property
    def held(self) -> bool:
        """Whether it has not been released yet."""
        return self._holder is not None

    def release(self) -> None:
        """Let others have it. Idempotent."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Ports:
    """Gives out ports: any free ones, or those of a range."""

    def __init__(self, allowed: range | None, locks: Path) -> None:
        """`locks`: a folder in which harnesses that share a range agree who has which port."""
        if allowed is not None and not (
            allowed and allowed.step == 1 and 0 < allowed[0] <= allowed[-1] < 65536
        ):
            raise InputError(f"not a range of ports: {_name(allowed)}", hint="for example 20000-20100")
        self._allowed = allowed
        self._locks = locks
        self._held: list[Port] = []

    def take(self, what_for: str) -> Port:
        """A port nobody else has. Raises EnvironmentUnfit when the range has none left."""
        port = self._first_free(self._allowed, what_for) if self._allowed else _any_free()
        self._held = [*(held for held in self._held if held.held), port]
        return port

    def release_all(self) -> None:
        """Let others have all of them."""
        for port in self._held:
            port.release()
        self._held.clear()

    def _first_free(self, allowed: range, what_for: str) -> Port:
        mine = {port.number for port in self._held if port.held}
        for number in allowed:
            if number not in mine and (port := self._claim(number)) is not None:
                return port
        raise EnvironmentUnfit(
            f"ports {_name(allowed)} are taken: none is left for the {what_for}",
            hint="give a free or wider range of ports, or none at all",
        )

    def _claim(self, number: int) -> Port | None:
        # Two harnesses could both bind a reusable socket that does not listen: a lock decides.
        self._locks.mkdir(exist_ok=True)
        lock = os.open(self._locks / str(number), os.O_RDWR | os.O_CREAT, 0o600)
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections that linger
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            holder.bind((LOOPBACK, number))
        except OSError:  # somebody else's, or one for which the right is missing: as good as taken
            holder.close()
            os.close(lock)
            return None
        return _held(number, holder, lock)


def _any_free() -> Port:
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.bind((LOOPBACK, 0))  # not reusable yet, so the kernel picks one that nobody holds
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _held(holder.getsockname()[1], holder, -1)


def _held(number: int, holder: socket.socket, lock: int) -> Port:
    if not LINUX:  # BSD lets no second socket bind: the port is only remembered
        holder.close()
    return Port(number, holder, lock)


def _name(ports: range) -> str:
    return f"{ports.start}-{ports.stop - 1}"
