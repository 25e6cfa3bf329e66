"""What the conductor promised to do, as far as the judge needs it: `run.json` in the run folder.

It is written when the run begins, so that a run that never ended can still be judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from foundation.terms import Balancer, Service, StateDesign
from results import codec
from results.model import GateName
from services.contract import DEFAULT_SESSION_TTL_S


@dataclass(frozen=True, slots=True)
class GateRule:
    """A rule that the cell has to meet; `limit` where the rule has one."""

    name: GateName
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One cell of the plan."""

    name: str
    """Unique in the run; the `cell` of its events."""
    service: Service
    state: StateDesign
    balancer: Balancer
    replicas: int
    repeat: int = 1
    faults: tuple[str, ...] = ()
    """Kinds of the planned faults, in order."""
    patience: int = 1
    """How often a shopper whose session is unknown reloads before logging in again."""
    think_time_s: float = 1.0
    session_ttl_s: float = DEFAULT_SESSION_TTL_S
    """How long a session lives without being used."""
    between_uses_s: float = 1.0
    """Mean time between two uses of a session: a look at the catalogue is none."""
    after_fault_s: float = 0.0
    """Planned seconds of load from the first fault to the audit."""
    gates: tuple[GateRule, ...] = ()
    variant: str = ""
    """Which of the experiment's variants of the settings; empty where it has none."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The head of a run."""

    run: str
    experiment: str
    seed: int
    cluster: str
    started_at: str
    """ISO 8601, UTC."""
    plan_sha256: str
    cells: tuple[CellPlan, ...]
    rerun: str = ""
    """The command that runs the same plan again."""
    fingerprint: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of `run.json`."""
        return codec.encode(self)

    @classmethod
    def from_json(cls, document: str | bytes, *, where: str = "run.json") -> RunPlan:
        """Raises InputError naming `where` when the document is not the head of a run."""
        return codec.decode(cls, document, where=where)
