"""The live page of what `statefall up` holds: its buttons ask as `statefall fault` does."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from statefall.clusters.registry import CONTROL_SOCKET
from statefall.conductor.control import ControlCall, FaultCommand
from statefall.conductor.live import LiveFigures, LivePage
from statefall.conductor.up import UpAddresses
from statefall.faults.by_hand import HandFault
from statefall.records.cells import PlannedCell
from statefall.records.errors import InputError
from statefall.records.faults import FaultKind


@dataclass(slots=True)
class HeldPage:
    """From the moment when all is up to its end."""

    cell: PlannedCell
    port: int = 0
    figures: LiveFigures = field(init=False)
    _page: LivePage | None = field(default=None, init=False)
    _socket: Path = field(default=Path(), init=False)
    _asked: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        title = f"{self.cell.service} ({self.cell.state}), {self.cell.balancer}"
        self.figures = LiveFigures(f"up: {title}")
        self.figures.cell(self.cell, title)

    def open(self, addresses: UpAddresses) -> str:
        """Serve it; its URL."""
        self._socket = addresses.folder / CONTROL_SOCKET
        links = [(name, url) for name, url in addresses.urls if url.startswith("http")]
        links += [("Locust's page", addresses.load)] if addresses.load else []
        self._page = LivePage(
            self.figures, kinds=addresses.faults, strike=self.strike, links=links, port=self.port
        )
        return self._page.open()

    def close(self) -> None:
        """Serve it no more."""
        self.figures.end()
        if self._page is not None:
            self._page.close()

    def strike(self, kind: FaultKind) -> str:
        """Have it done; what it will touch. Raises InputError where it is refused."""
        self._asked += 1
        try:
            call = ControlCall(self._socket, FaultCommand(HandFault(kind, seed=self._asked)))
        except OSError as error:
            raise InputError(f"what is up does not answer: {error.strerror}") from error
        first = call.next()
        if first is None or first.exit_code:
            call.close()
            raise InputError(first.text if first is not None else "what is up is being taken down")
        # Hanging up would have the fault put back at once.
        threading.Thread(target=self._hear_out, args=(call,), name="fault", daemon=True).start()
        return first.text

    def _hear_out(self, call: ControlCall) -> None:
        try:
            while (reply := call.next()) is not None:
                if reply.exit_code:
                    self.figures.say(reply.text)
        finally:
            call.close()
