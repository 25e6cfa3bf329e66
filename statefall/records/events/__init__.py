"""The events of a run, one frozen dataclass a kind.

`events.jsonl` holds them as `statefall.codec` writes them: one flat JSON object a line, in the order
of being recorded, with `kind`, `monotonic_s`, `wall_s`, inside a cell `cell`, and the kind's own
fields. All moments of a run are on the conductor's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from statefall.records.events.base import Home, InCell, Replica, ServiceTimes, ShopperFinding, Victim
from statefall.records.events.faults import (
    FaultActed,
    FaultEvent,
    FaultFailed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    SessionsMarked,
)
from statefall.records.events.load import (
    ConnectionLost,
    LoadLost,
    MessageLost,
    SessionLost,
    SessionStarted,
    Tick,
)
from statefall.records.events.pods import PodChanged, PodScraped, Spent
from statefall.records.events.run import CellEnded, CellStarted, PhaseStarted, RunEnded, RunStarted

CellEvent = (
    CellStarted
    | CellEnded
    | PhaseStarted
    | PodChanged
    | PodScraped
    | FaultIntended
    | FaultActed
    | FaultObserved
    | FaultRecovered
    | FaultFailed
    | SessionsMarked
    | LoadLost
    | Tick
    | SessionStarted
    | SessionLost
    | ConnectionLost
    | MessageLost
)
Event = RunStarted | RunEnded | CellEvent

KINDS: Final[Mapping[str, type[Event]]] = {kind.kind: kind for kind in get_args(Event)}
"""By the name in `events.jsonl`."""

__all__ = [
    "KINDS",
    "CellEnded",
    "CellEvent",
    "CellStarted",
    "ConnectionLost",
    "Event",
    "FaultActed",
    "FaultEvent",
    "FaultFailed",
    "FaultIntended",
    "FaultObserved",
    "FaultRecovered",
    "Home",
    "InCell",
    "LoadLost",
    "MessageLost",
    "PhaseStarted",
    "PodChanged",
    "PodScraped",
    "Replica",
    "RunEnded",
    "RunStarted",
    "ServiceTimes",
    "SessionLost",
    "SessionStarted",
    "SessionsMarked",
    "ShopperFinding",
    "Spent",
    "Tick",
    "Victim",
]
