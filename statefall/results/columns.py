"""The columns of the closing tables: what each shows of a cell, and which cells have anything to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from statefall.records.faults import adds_replicas, hits_store
from statefall.records.verdicts import WRONG_STATE, Verdict
from statefall.results import wording
from statefall.results.model import Cell, Latency

NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    value: Callable[[Cell], str]
    right: bool = False
    """Aligned to the right, as numbers are."""
    alarming: bool = False
    """What it counts should not be there at all."""
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
    return bool(cell.answers_by_phase) and any(hits_store(fault.kind) for fault in cell.faults)


def _has_failures(cell: Cell) -> bool:
    """Older records do not say how requests failed."""
    return bool(cell.requests.failed_by)


def _refused(cell: Cell) -> int:
    """Answers of any phase that were not what the shoppers had asked for."""
    return sum(answers.refused for answers in cell.answers_by_phase.values())


def _has_websockets(cell: Cell) -> bool:
    return bool(cell.realtime.connections_opened)


def _has_grown(cell: Cell) -> bool:
    return cell.newcomers_share is not None and any(adds_replicas(fault.kind) for fault in cell.faults)


def _wrong(verdict: Verdict) -> Column:
    """Sessions with this verdict, in runs in which it must be told of any."""
    return Column(
        verdict.value.replace("_", " "),
        lambda cell: str(cell.wrong_state.told.get(verdict, 0)),
        right=True,
        of=lambda cell: verdict in cell.wrong_state.told,
        alarming=True,
    )


def _has_undecided(cell: Cell) -> bool:
    return bool(cell.undecided)


def _is_narrower(cell: Cell) -> bool:
    return cell.predicted_from_homes.low is not None and cell.predicted_from_homes != cell.predicted_lost


def _baseline(cell: Cell) -> Latency | None:
    return cell.latency_ms.get("baseline")


def _rate(cell: Cell) -> str:
    rate = cell.throughput_per_s.get("baseline")
    return NOTHING if rate is None else f"{rate:.0f}"


def _p50(cell: Cell) -> str:
    found = _baseline(cell)
    return wording.milliseconds(found.p50 if found else None)


def _p99(cell: Cell) -> str:
    found = _baseline(cell)
    return wording.milliseconds(found.p99 if found else None)


_ARM: Final = (
    Column("service", lambda cell: cell.service),
    Column("state", lambda cell: cell.state.value),
    Column("balancer", lambda cell: cell.balancer.value),
    Column("variant", lambda cell: cell.variant, of=_has_variant),
)
LOSSES: Final = (
    *_ARM,
    Column("fault", wording.kinds),
    *map(_wrong, WRONG_STATE),
    Column("at fault", lambda cell: str(cell.sessions.at_fault), right=True),
    Column("lost before", lambda cell: str(cell.lost_before_fault), right=True),
    Column("kept", lambda cell: str(cell.sessions.kept), right=True),
    Column("lost", lambda cell: str(cell.sessions.lost), right=True, alarming=True),
    Column("undecided", lambda cell: str(cell.undecided), right=True, of=_has_undecided, alarming=True),
    Column("cause", wording.causes),
    Column("predicted", lambda cell: wording.predicted(cell.predicted_lost), right=True),
    Column(
        "by homes",
        lambda cell: wording.predicted(cell.predicted_from_homes),
        right=True,
        of=_is_narrower,
    ),
    Column("failed req.", lambda cell: str(cell.requests.failed), right=True),
    Column("failed by", wording.failures, of=_has_failures),
    Column(
        "refused req.",
        lambda cell: str(_refused(cell)),
        right=True,
        of=lambda cell: _refused(cell) > 0,
        alarming=True,
    ),
    Column("degraded", lambda cell: str(cell.answers_since_fault.degraded), right=True, of=_lost_store),
    Column(
        "longest wait",
        lambda cell: wording.seconds(cell.answers_since_fault.slowest_s, digits=2),
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
    Column(
        "capacity back",
        lambda cell: wording.seconds(cell.capacity_back_s),
        right=True,
        of=lambda cell: cell.capacity_back_s is not None,
    ),
    Column(
        "last failure",
        lambda cell: wording.seconds(cell.last_failure_s),
        right=True,
        of=lambda cell: cell.last_failure_s is not None,
    ),
    Column("recovery", lambda cell: wording.seconds(cell.recovery_s), right=True),
    Column("verdict", lambda cell: cell.verdict.value),
)
"""Who lost what."""
COSTS: Final = (
    *_ARM,
    Column("requests/s", _rate, right=True),
    Column("p50", _p50, right=True),
    Column("p99", _p99, right=True),
    Column("CPU/request", lambda cell: wording.milliseconds(cell.costs.cpu_ms_per_request), right=True),
    Column("of it for statelessness", lambda cell: wording.overheads(cell.costs)),
    Column("cache hits", lambda cell: wording.hit_ratios(cell.costs)),
)
"""What a request cost while nothing had been done to the service yet."""
