"""The events of a cell, put in order: who lived when, what was done to whom, what the ledger found.

Every time is on the conductor's monotonic clock, in seconds, as recorded. A pod whose creation was
not recorded counts as having lived since the beginning of the cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from foundation.events import Event
from foundation.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_s` to `end_s`; null: still open when the record ends (or no start was recorded)."""

    start_s: float | None
    end_s: float | None = None

    def holds(self, at_s: float) -> bool:
        """Whether the moment lies in it, its start included."""
        return (self.start_s is None or self.start_s <= at_s) and (self.end_s is None or at_s < self.end_s)


@dataclass(frozen=True, slots=True)
class Container:
    """One life of a pod's container."""

    container_id: str
    span: Span
    exit_detail: str = ""
    boots: tuple[str, ...] = ()
    """Boot ids that answered during this life, as far as anything recorded names them."""


@dataclass(frozen=True, slots=True)
class PodLife:
    """A pod from its creation to its end."""

    name: str
    uid: str
    span: Span
    containers: tuple[Container, ...]
    terminating_s: float | None
    ready: tuple[tuple[float, bool], ...]
    """When it became ready (true) or ceased to be (false)."""

    def of_boot(self, boot: str) -> Container | None:
        """The container's life that this boot id belongs to, where the record tells."""
        return next((c for c in self.containers if boot in c.boots), None)


@dataclass(frozen=True, slots=True)
class FaultLife:
    """A fault from intent to recovery; a time is null when it did not come to that."""

    fault: str
    kind: str
    victims: tuple[str, ...]
    """Pod names, in order: those intended, then those that were seen to be hit."""
    count: int
    intent_s: float
    act_s: float | None = None
    observed_s: float | None = None
    recovered_s: float | None = None
    effect: str = ""
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """One interval of the load; the counts are of the interval, `live_sessions` as it ended."""

    at_s: float
    interval_s: float
    phase: str
    scheduled: int
    completed: int
    failed: int
    dropped: int
    in_flight: int
    live_sessions: int
    lost_so_far: int
    service_ms: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Answerer:
    """A replica as an answer names it."""

    pod: str
    boot: str


@dataclass(frozen=True, slots=True)
class Loss:
    """A finding of the ledger against one session."""

    session: str
    user_id: int
    verdict: Verdict
    evidence: str
    phase: str
    at_s: float
    home: Answerer
    home_since_s: float | None
    answered_by: tuple[Answerer, ...]
    acknowledged_version: int
    seen_version: int | None


@dataclass(frozen=True, slots=True)
class SessionStart:
    """A login that was answered."""

    session: str
    at_s: float
    home: Answerer


@dataclass(frozen=True, slots=True)
class MarkPoint:
    """The ledger just before a fault."""

    fault: str
    at_s: float
    live_sessions: int
    by_boot: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a replica had done and spent since it began."""

    requests: int
    """Answered requests of shoppers."""
    cpu_s: float
    overhead_cpu_s: Mapping[str, float]
    """part -> processor time."""
    cache_lookups: Mapping[str, Mapping[str, int]]
    """cache -> result -> look-ups."""


@dataclass(frozen=True, slots=True)
class PodFigures:
    """What a replica said of itself."""

    at_s: float
    who: Answerer
    sessions_active: int
    sessions_created: int
    sessions_lost: Mapping[str, int]
    operations: int | None
    operations_repeated: int | None
    spent: Spent | None = None
    """Null in a record of before it was kept."""
    counted: Mapping[str, float] = field(default_factory=dict)
    """Metric -> value, of those that `results.counted` names."""

    @property
    def lost_total(self) -> int:
        """Over all causes."""
        return sum(self.sessions_lost.values())


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of the cell."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class CellTimeline:
    """Everything recorded of one cell."""

    name: str
    span: Span
    last_s: float
    """The last recorded moment."""
    phases: tuple[Phase, ...]
    pods: tuple[PodLife, ...]
    faults: tuple[FaultLife, ...]
    ticks: tuple[Tick, ...]
    losses: tuple[Loss, ...]
    starts: tuple[SessionStart, ...]
    marks: tuple[MarkPoint, ...]
    figures: tuple[PodFigures, ...]
    events: tuple[Event, ...] = field(repr=False, default=())
    load_lost: str = ""
    """How the load generator ended before the cell did, in words; empty where it did not."""

    @property
    def zero_s(self) -> float:
        """When the load began (its first phase), or the cell, where it did not come to that."""
        if self.phases and self.phases[0].span.start_s is not None:
            return self.phases[0].span.start_s
        return self.span.start_s or 0.0

    def pod(self, name: str) -> PodLife | None:
        """The pod of this name (names are not used twice within a cell)."""
        return next((pod for pod in self.pods if pod.name == name), None)

    def phase_at(self, at_s: float) -> str:
        """The phase that this moment belongs to; before the first one: empty."""
        return next((phase.name for phase in self.phases if phase.span.holds(at_s)), "")


def by_cell(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The events of each cell, in the order of the cells' first events."""
    cells: dict[str, list[Event]] = {}
    for event in events:
        if "cell" in event:
            cells.setdefault(str(event["cell"]), []).append(event)
    return cells
