"""The events of a cell, put in order: who lived when, what was done to whom, what the ledger found.

Every time is on the conductor's monotonic clock, in seconds, as recorded. A pod whose creation was
not recorded counts as having lived since the beginning of the cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from statefall.records.events import (
    CellEvent,
    Event,
    InCell,
    PodScraped,
    SessionLost,
    SessionsMarked,
    SessionStarted,
    Tick,
)
from statefall.records.faults import Ends, FaultTraits, Hits, Shows, traits_of


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_s` to `end_s`; null: still open when the record ends (or no start was recorded)."""

    start_s: float | None
    end_s: float | None = None

    def holds(self, at_s: float) -> bool:
        """Whether the moment lies in it, its start included."""
        return (self.start_s is None or self.start_s <= at_s) and (self.end_s is None or at_s < self.end_s)


@dataclass(frozen=True, slots=True)
class ContainerLife:
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
    containers: tuple[ContainerLife, ...]
    terminating_s: float | None
    ready: tuple[tuple[float, bool], ...]
    """When it became ready (true) or ceased to be (false)."""

    def of_boot(self, boot: str) -> ContainerLife | None:
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
    planned_at_s: float | None = None
    """Seconds after the start of the fault phase; null where that is not on record."""
    act_s: float | None = None
    observed_s: float | None = None
    recovered_s: float | None = None
    effect: str = ""
    failed: str = ""

    @property
    def traits(self) -> FaultTraits | None:
        """Of its kind; None for a kind that this version does not know."""
        return traits_of(self.kind)

    @property
    def ends(self) -> Ends | None:
        """What becomes of the processes that it hits; None where that is not known."""
        return self.traits.ends if self.traits else None

    @property
    def hits_store(self) -> bool:
        """Whether it was done to the session store."""
        return self.traits is not None and self.traits.hits is Hits.STORE

    @property
    def grows(self) -> int:
        """How many replicas more there are because of it; less than 0: how many fewer."""
        return self.traits.grows * self.count if self.traits else 0

    @property
    def replaces_all(self) -> bool:
        """Whether every process is another one afterwards."""
        return self.traits is not None and self.traits.shows is Shows.REPLACED

    @property
    def takes_all(self) -> bool:
        """Whether all replicas go at once."""
        return self.traits is not None and self.traits.takes_all

    @property
    def touches_sessions(self) -> bool:
        """Whether it reaches a replica that lives, or the store. An unknown kind may."""
        traits = self.traits
        if traits is None or traits.hits in {Hits.DRAWN, Hits.NODE, Hits.STORE}:
            return True
        return traits.hits is Hits.CHOSEN and traits.ends is not Ends.NOTHING

    @property
    def suspends(self) -> bool:
        """Whether it holds replicas up for a while and ends none of them."""
        traits = self.traits
        if traits is None or traits.ends is not Ends.NOTHING:
            return False
        return traits.lasts and traits.hits is Hits.DRAWN


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
    losses: tuple[SessionLost, ...]
    starts: tuple[SessionStarted, ...]
    marks: tuple[SessionsMarked, ...]
    figures: tuple[PodScraped, ...]
    load_lost: str = ""
    """How the load generator ended before the cell did, in words; empty where it did not."""

    @property
    def zero_s(self) -> float:
        """When the load began (its first phase), or the cell, where it did not come to that."""
        if self.phases and self.phases[0].span.start_s is not None:
            return self.phases[0].span.start_s
        return self.span.start_s or 0.0

    def pod(self, name: str, boot: str = "") -> PodLife | None:
        """The pod of this name in which this boot id answered; else the first of the name.

        A StatefulSet gives a name again; elsewhere a cell has each once.
        """
        named = [pod for pod in self.pods if pod.name == name]
        return next((pod for pod in named if pod.of_boot(boot) is not None), named[0] if named else None)

    def phase_at(self, at_s: float) -> str:
        """The phase that this moment belongs to; before the first one: empty."""
        return next((phase.name for phase in self.phases if phase.span.holds(at_s)), "")


def by_cell(events: Iterable[Event]) -> dict[str, list[CellEvent]]:
    """The events of each cell, in the order of the cells' first events."""
    cells: dict[str, list[CellEvent]] = {}
    for event in events:
        if isinstance(event, InCell):
            cells.setdefault(event.cell, []).append(event)
    return cells
