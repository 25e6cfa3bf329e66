"""From the faults that an experiment asks for to the ones that will happen: victims drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Protocol

from statefall.records.faults import FaultKind, Hits, PlannedFault


class RequestedFault(Protocol):
    """What an experiment says of a fault."""

    @property
    def kind(self) -> FaultKind: ...
    @property
    def at_s(self) -> float: ...
    @property
    def count(self) -> int: ...
    @property
    def grace_s(self) -> float | None: ...
    @property
    def duration_s(self) -> float: ...


def schedule(requested: Iterable[RequestedFault], *, replicas: int, seed: int) -> tuple[PlannedFault, ...]:
    """The faults in order of time; equal seeds draw equal victims."""
    source = random.Random(seed)
    in_order = sorted(requested, key=lambda fault: fault.at_s)
    return tuple(
        PlannedFault(
            fault=f"f{number}",
            kind=fault.kind,
            at_s=fault.at_s,
            ordinals=_drawn(fault, replicas, source),
            count=fault.count,
            grace_s=fault.grace_s,
            duration_s=fault.duration_s,
        )
        for number, fault in enumerate(in_order, start=1)
    )


def _drawn(fault: RequestedFault, replicas: int, source: random.Random) -> tuple[int, ...]:
    if fault.kind.traits.hits is Hits.NODE:
        return tuple(source.sample(range(replicas), replicas))
    if fault.kind.takes_victims:
        return tuple(sorted(source.sample(range(replicas), fault.count)))
    return ()
