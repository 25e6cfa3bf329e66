"""What a person is told of a fault while it goes on: its journal, a line each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from statefall.records.events import (
    Event,
    FaultActed,
    FaultFailed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    SessionsMarked,
)


@dataclass(slots=True)
class FaultLines:
    """Turns the journal of one fault after the other into lines; times are those of the act's machine."""

    _kind: str = ""
    _acted_s: float = field(default=0.0)

    def of(self, event: Event) -> str:
        """The line for this event; empty for one that says nothing new."""
        match event:
            case FaultIntended():
                self._kind = event.fault_kind
                return ""
            case SessionsMarked():
                return self._line(event, f"{event.live_sessions} live sessions just before the act")
            case FaultActed():
                self._acted_s = event.at_s
                return self._line(event, f"acted: {self._kind}")
            case FaultObserved():
                return self._line(event, f"observed after {self._after(event)}: {event.effect}")
            case FaultRecovered():
                ready = f"{event.ready_replicas} replicas are ready"
                return self._line(event, f"recovered after {self._after(event)}: {ready}")
            case FaultFailed():
                return self._line(event, f"failed: {event.reason}")
            case _:
                return ""

    def _after(self, event: Event) -> str:
        return f"{max(event.at_s - self._acted_s, 0.0):.2f} s"

    @staticmethod
    def _line(event: Event, text: str) -> str:
        name = f"{event.fault}: " if isinstance(event, _NAMED) else ""
        return f"{datetime.fromtimestamp(event.at.wall_s).astimezone():%H:%M:%S.%f}"[:-3] + f"  {name}{text}"


_NAMED = FaultActed | FaultObserved | FaultRecovered | FaultFailed | SessionsMarked
