"""What the conductor promised to do, as far as the judge needs it: `run.json` in the run folder.

It is written when the run begins, so that a run that never ended can still be judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

from statefall.codec import Codec, formerly, unless_empty
from statefall.records.cells import CellIdentity
from statefall.records.contract import DEFAULT_SESSION_TTL_S
from statefall.records.service import LeftOut
from statefall.records.verdicts import Verdict
from statefall.results.model import GateName


@dataclass(frozen=True, slots=True)
class GateRule:
    """A rule that the cell has to meet; `limit` where the rule has one."""

    name: GateName
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class CellPlan(CellIdentity):
    """One cell of the plan, with what its judge must know."""

    faults: tuple[str, ...] = ()
    """Kinds of the planned faults, in order."""
    max_reloads: Annotated[int, formerly("max_reloads", "patience")] = 1
    """How often a shopper whose session is unknown reloads before logging in again."""
    think_time_s: float = 1.0
    session_ttl_s: float = DEFAULT_SESSION_TTL_S
    """How long a session lives without being used."""
    between_uses_s: float = 1.0
    """Mean time between two uses of a session: a look at the catalogue is none."""
    after_fault_s: float = 0.0
    """Planned seconds of load from the first fault to the audit."""
    phases_s: dict[str, float] = field(default_factory=dict)
    """Phase -> how long it was planned to last; empty in older records."""
    gates: tuple[GateRule, ...] = ()
    own_metrics: bool = True
    """Whether the replicas say themselves what they hold and answered."""
    allowed: tuple[Verdict, ...] = (Verdict.MISROUTED,)
    """Wrong state that does not fail the cell. Records of before it was kept forbade all but this one."""
    strict: bool = False
    """What was asked for and cannot be judged keeps the cell from passing. Older records let it pass."""


@dataclass(frozen=True, slots=True)
class RunHead:
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
    left_out: Annotated[tuple[LeftOut, ...], unless_empty()] = ()
    """Services of the experiment that could not run here."""
    comparable_sha256: Annotated[str, unless_empty()] = ""
    """Equal for runs that can be compared; empty in older records, where `plan.json` tells."""
    fingerprint: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of `run.json`."""
        return _CODEC.encode(self, indent=2) + "\n"

    @classmethod
    def from_json(cls, document: str | bytes, *, where: str = "run.json") -> RunHead:
        """Raises InputError naming `where` when the document is not the head of a run."""
        return _CODEC.decode(document, where=where)


_CODEC: Final = Codec[RunHead](RunHead)
