"""One cell of a run, declared once: what it is, and how it is run.

Rooms that need more of it extend these records and repeat nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from statefall.records.faults import PlannedFault
from statefall.records.load import LoadSpec, Shopper
from statefall.records.service import ServiceSpec
from statefall.records.terms import Balancer, StateDesign


@dataclass(frozen=True, slots=True)
class CellIdentity:
    """Which combination of the matrix, and which time of running it."""

    name: str
    """Unique in the run, a DNS label, for example `c1-stateful-sticky`; the `cell` of its events."""
    service: str
    """Which service under test: a twin, or the name of a service file."""
    state: StateDesign
    balancer: Balancer
    replicas: int
    repeat: int = 1
    variant: str = ""
    """Which of the experiment's variants of the settings; empty where it has none."""


@dataclass(frozen=True, slots=True)
class CellSpec(CellIdentity):
    """A cell as a cluster runs it."""

    grace_s: float = 10.0
    """Termination grace period: from the delete to SIGKILL, preStop included."""
    pre_stop_s: float = 1.0
    """How long preStop waits, so that endpoints are withdrawn before SIGTERM."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """More environment for the replicas."""
    under_test: ServiceSpec | None = None
    """The service, where it is none of the twins."""


@dataclass(frozen=True, slots=True)
class PlannedCell(CellSpec):
    """A cell with all that chance decides of it."""

    seed: int = 0
    load: LoadSpec = field(default_factory=LoadSpec)
    shoppers: tuple[Shopper, ...] = ()
    faults: tuple[PlannedFault, ...] = ()
