"""What the conductor promised to do, as far as the judge needs it: `run.json` in the run folder.

It is written when the run begins, so that a run that never ended can still be judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from statefall.codec import Codec, formerly, unless_empty
from statefall.records.cells import CellIdentity
from statefall.records.contract import DEFAULT_SESSION_TTL_S
from statefall.records.service import LeftOut
from statefall.records.verdicts import Verdict
from statefall.results.model import GateName


class Figure(StrEnum):
    """What of the load a window measures."""

    THROUGHPUT_PER_S = "throughput_per_s"
    """Completed requests."""
    FAILED = "failed"
    FAILED_SHARE = "failed_share"
    """Of all requests that ended."""
    LIVE_SESSIONS = "live_sessions"
    """The fewest."""
    P50_MS = "p50_ms"
    P90_MS = "p90_ms"
    P99_MS = "p99_ms"
    MAX_MS = "max_ms"


class Since(StrEnum):
    """The moment of a fault at which a window begins; of several faults the last."""

    ACT = "act"
    OBSERVED = "observed"
    RECOVERED = "recovered"


class Bound(StrEnum):
    """On which side of the limit the figure has to be."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True)
class Window:
    """A figure, and when: in a phase, or from a moment of the fault on."""

    figure: Figure
    bound: Bound = Bound.AT_MOST
    phase: str = ""
    since: Since | None = None
    within_s: float | None = None
    """So long; null: to the end of the load."""
    of: str = ""
    """The limit is a share of the same figure in this phase."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """A rule that the cell has to meet; `limit` where the rule has one."""

    name: GateName
    limit: float | None = None
    window: Annotated[Window | None, unless_empty()] = None
    """Of the rule `figure` alone."""


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
