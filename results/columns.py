"""The columns of the closing tables: what each shows of a cell, and which cells have anything to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from results import words
from results.attribute import STORE_FAULTS
from results.model import Cell, Latency

NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    value: Callable[[Cell], str]
    right: bool = False
    """Aligned to the right, as numbers are."""
    of: Callable[[Cell], bool] | None = None
    """For which cells it says anything; it is left out where that is none. Null: for all."""

    def is_asked(self, cell: Cell) -> bool:
        """Whether the cell has anything to show in it."""
        return self.of is None or self.of(cell)

    def text(self, cell: Cell) -> str:
        """What it shows of the cell."""
        return self.value(cell) if self.is_asked(cell) else NOTHING


def _has_variant(cell: Cell) -> bool:
    return bool(cell.variant)


def _lost_store(cell: Cell) -> bool:
    """Older records do not say how requests were answered."""
    return bool(cell.answers_by_phase) and any(fault.kind in STORE_FAULTS for fault in cell.faults)


def _has_websockets(cell: Cell) -> bool:
    return bool(cell.realtime.connections_opened)


def _has_grown(cell: Cell) -> bool:
    return cell.newcomers_share is not None and any(fault.kind == "scale-out" for fault in cell.faults)


def _baseline(cell: Cell) -> Latency | None:
    return cell.latency_ms.get("baseline")


def _rate(cell: Cell) -> str:
    rate = cell.throughput_per_s.get("baseline")
    return NOTHING if rate is None else f"{rate:.0f}"


def _p50(cell: Cell) -> str:
    found = _baseline(cell)
    return words.milliseconds(found.p50 if found else None)


def _p99(cell: Cell) -> str:
    found = _baseline(cell)
    return words.milliseconds(found.p99 if found else None)


_ARM: Final = (
    Column("service", lambda cell: cell.service.value),
    Column("state", lambda cell: cell.state.value),
    Column("balancer", lambda cell: cell.balancer.value),
    Column("variant", lambda cell: cell.variant, of=_has_variant),
)
LOSSES: Final = (
    *_ARM,
    Column("fault", words.kinds),
    Column("at fault", lambda cell: str(cell.sessions.at_fault), right=True),
    Column("lost before", lambda cell: str(cell.lost_before_fault), right=True),
    Column("kept", lambda cell: str(cell.sessions.kept), right=True),
    Column("lost", lambda cell: str(cell.sessions.lost), right=True),
    Column("cause", words.causes),
    Column("predicted", lambda cell: words.predicted(cell.predicted_lost), right=True),
    Column("failed req.", lambda cell: str(cell.requests.failed), right=True),
    Column("degraded", lambda cell: str(cell.answers_since_fault.degraded), right=True, of=_lost_store),
    Column(
        "longest wait",
        lambda cell: words.seconds(cell.answers_since_fault.slowest_s, digits=2),
        right=True,
        of=_lost_store,
    ),
    Column(
        "broken WebSockets",
        lambda cell: str(cell.realtime.connections_broken),
        right=True,
        of=_has_websockets,
    ),
    Column("lost messages", lambda cell: str(cell.realtime.lost), right=True, of=_has_websockets),
    Column(
        "new pods' share", lambda cell: f"{100 * (cell.newcomers_share or 0):.0f}%", right=True, of=_has_grown
    ),
    Column("recovery", lambda cell: words.seconds(cell.recovery_s), right=True),
    Column("verdict", lambda cell: cell.verdict.value),
)
"""Who lost what."""
COSTS: Final = (
    *_ARM,
    Column("requests/s", _rate, right=True),
    Column("p50", _p50, right=True),
    Column("p99", _p99, right=True),
    Column("CPU/request", lambda cell: words.milliseconds(cell.costs.cpu_ms_per_request), right=True),
    Column("of it for statelessness", lambda cell: words.overheads(cell.costs)),
    Column("cache hits", lambda cell: words.hit_ratios(cell.costs)),
)
"""What a request cost while nothing had been done to the service yet."""
