"""What a run found, `summary.json`: the names in here are relied on by people and programs outside.

Times are seconds, latencies milliseconds. A session is counted under the verdict of the ledger; the
sessions alive at the (first) fault are the ones that `sessions` and `lost_by_cause` speak of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from statefall.codec import Codec, unless_empty
from statefall.records.causes import Cause
from statefall.records.service import LeftOut
from statefall.records.terms import Balancer, StateDesign
from statefall.records.verdicts import Answers, RealtimeCounts, RequestCounts
from statefall.results.session_counts import PhaseSessions as PhaseSessions
from statefall.results.session_counts import SessionCounts as SessionCounts
from statefall.results.session_counts import UsersBefore as UsersBefore
from statefall.results.session_counts import WrongState as WrongState

SCHEMA: Final = "statefall/summary/v1"


class Outcome(StrEnum):
    """The verdict of a cell or a run; the worst cell decides the run."""

    PASSED = "passed"
    """Every gate that applies passed."""
    INCONCLUSIVE = "inconclusive"
    """At least one gate could not be decided, or the surroundings were not fit to decide by."""
    FAILED = "failed"
    """A gate failed, on a sound run."""
    INVALID = "invalid"
    """The record does not support a verdict."""


class GateName(StrEnum):
    """The rules that an experiment can ask for."""

    LIVE_AT_FAULT_AT_LEAST = "live_at_fault_at_least"
    """At least `limit` sessions were alive at the first fault; with fewer the cell is invalid."""
    LOST_AT_MOST = "lost_at_most"
    """At most `limit` sessions of the whole cell were lost."""
    LOST_WITHIN_PREDICTION = "lost_within_prediction"
    """The sessions lost of those alive at the fault lie in the predicted interval."""
    LOST_WITHIN_HOMES = "lost_within_homes"
    """As before, in the narrow interval from the homes that were counted at the mark."""
    LOST_BEFORE_FAULT_AT_LEAST_SHARE = "lost_before_fault_at_least_share"
    """At least the share `limit` of the users who logged in before the fault lost a session before it."""
    VICTIM_HELD_EQUALS_LOST = "victim_held_equals_lost"
    """The sessions lost of those alive at the fault are as many as the victims' own metrics counted."""
    NO_UNEXPLAINED_LOSS = "no_unexplained_loss"
    """Every lost session of the cell has a cause."""
    NO_WRONG_STATE = "no_wrong_state"
    """No session of the cell was answered with wrong state that the experiment does not allow by name."""
    DEGRADED_AT_LEAST = "degraded_at_least"
    """At least `limit` answers from the fault on said to be degraded: the store's absence was told."""
    ANSWERED_WITHIN_S = "answered_within_s"
    """No request from the fault on waited longer than `limit` seconds for its answer or its refusal."""
    MESSAGES_LOST_AT_MOST = "messages_lost_at_most"
    """At most `limit` messages never reached a connection that was open when they were published."""
    NO_WRONG_MESSAGE = "no_wrong_message"
    """No message came to a connection twice, and no connection's own chat was forgotten."""
    BOOKS_BALANCE = "books_balance"
    """All reconciliations of the cell hold."""
    FIGURE = "figure"
    """A figure of the load, in a phase or in a window after the fault, keeps to its limit."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """How many of the sessions alive at the fault a closed form says are lost; null without one."""

    low: int | None = None
    expected: float | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """Service time of completed requests in milliseconds."""

    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What requests cost the replicas, by their own metrics, from the baseline until the first fault.

    Without a fault, until the end of the load. Null or empty where too little was measured.
    """

    requests: int = 0
    cpu_ms_per_request: float | None = None
    """Processor time of the replicas, probes and scrapes included."""
    overhead_cpu_ms_per_request: dict[str, float] = field(default_factory=dict)
    """Of it, what the stateless twin spent on what a session would have had at hand, by part."""
    cache_hit_ratio: dict[str, float] = field(default_factory=dict)
    """By cache: hits over all look-ups."""


@dataclass(frozen=True, slots=True)
class PodShare:
    """What one replica did from the moment when all were ready again after the first fault."""

    pod: str
    came_with_fault: bool
    """It was made by the fault, or in place of a pod that the fault took."""
    requests: int
    share: float
    """Of all requests that were answered then, 0 to 1."""
    sessions: int
    """Alive on it at its last scrape."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Two counts of the same thing from two sources."""

    name: str
    holds: bool | None
    """They are equal, or the difference is named in `note` and lawful; null: not available, see `note`."""
    left: int
    right: int
    note: str
    """What left and right are, and the difference in words."""


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """One fault; times are seconds since the start of the load, null when it did not come to that."""

    fault: str
    kind: str
    victims: tuple[str, ...]
    act_s: float | None
    observed_s: float | None
    recovered_s: float | None
    """When all replicas were ready again."""
    recovery_s: float | None
    """From the act until all replicas were ready and no request failed in the 3 s that followed."""
    effect: str
    """What was seen to happen; the reason when the fault failed."""
    capacity_back_s: float | None = None
    """From the act until all replicas were ready again, whatever users felt."""
    last_failure_s: float | None = None
    """From the act until the last failed request before the next fault, to the second in which it fell,
    taken late; null where none failed."""
    sessions_back_s: float | None = None
    """From the act until as many sessions were alive as just before; null where that was not seen."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """A rule of the experiment and how the cell met it."""

    name: GateName
    passed: bool | None
    """Null: not decided (or it does not apply)."""
    applies: bool
    measured: float | None
    limit: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of service, state design and balancer, once."""

    name: str
    service: str
    state: StateDesign
    balancer: Balancer
    replicas: int
    repeat: int
    verdict: Outcome
    invalid_because: tuple[str, ...]
    sessions: SessionCounts
    sessions_by_phase: dict[str, PhaseSessions]
    users_before_fault: UsersBefore
    lost_by_cause: dict[Cause, int]
    predicted_lost: Prediction
    prediction_basis: str
    requests: RequestCounts
    throughput_per_s: dict[str, float]
    latency_ms: dict[str, Latency]
    recovery_s: float | None
    faults: tuple[FaultOutcome, ...]
    books: tuple[Reconciliation, ...]
    gates: tuple[GateResult, ...]
    realtime: RealtimeCounts = field(default_factory=RealtimeCounts)
    """WebSockets, messages and chats, where shoppers had them; the sessions above say nothing of these."""
    variant: str = ""
    """Which of the experiment's variants of the settings; empty where it has none."""
    costs: Costs = field(default_factory=Costs)
    answers_by_phase: dict[str, Answers] = field(default_factory=dict)
    counted: dict[str, float] = field(default_factory=dict)
    """Metric -> what the replicas counted in the whole cell; named in `statefall.records.replica_metrics`."""
    spread: tuple[PodShare, ...] = ()
    wrong_state: WrongState = field(default_factory=WrongState)
    predicted_from_homes: Prediction = field(default_factory=Prediction)
    """As `predicted_lost`, knowing besides where the sessions lived when the fault came."""
    homes_basis: str = ""
    capacity_back_s: float | None = None
    """The longest of the faults; null where a fault was not seen to end."""
    last_failure_s: float | None = None
    """The longest of the faults; null where no request failed after any."""
    undecided: int = 0
    """Sessions that began before the audit and of which no read decides the verdict."""
    inconclusive_because: tuple[str, ...] = ()
    """What keeps a sound cell from passing although no gate failed."""

    @property
    def answers_since_fault(self) -> Answers:
        """How requests were answered from the fault on; without one, from the baseline on."""
        return since_fault(self.answers_by_phase, faulted=bool(self.faults))

    @property
    def newcomers_share(self) -> float | None:
        """The part of the requests that went to replicas which came with the fault; None without any."""
        came = [pod.requests for pod in self.spread if pod.came_with_fault]
        return round(sum(came) / sum(pod.requests for pod in self.spread), 4) if came else None

    @property
    def before_fault(self) -> tuple[PhaseSessions, ...]:
        """What was found in the phases that precede the first fault."""
        return tuple(self.sessions_by_phase[p] for p in BEFORE_FAULT if p in self.sessions_by_phase)

    @property
    def lost_before_fault(self) -> int:
        """Sessions that were lost before the fault phase."""
        return sum(phase.lost for phase in self.before_fault)

    @property
    def lost_before_fault_by_cause(self) -> dict[Cause, int]:
        """Sums to `lost_before_fault`."""
        counts = {c: sum(phase.causes.get(c, 0) for phase in self.before_fault) for c in Cause}
        return {cause: count for cause, count in counts.items() if count}


@dataclass(frozen=True, slots=True)
class Summary:
    """`summary.json`."""

    schema: str
    run: str
    experiment: str
    seed: int
    cluster: str
    fingerprint: dict[str, str]
    valid: bool
    invalid_because: tuple[str, ...]
    verdict: Outcome
    partial: bool
    started_at: str
    """ISO 8601, UTC."""
    duration_s: float
    plan_sha256: str
    rerun: str
    """The command that runs the same plan again."""
    cells: tuple[Cell, ...]
    left_out: Annotated[tuple[LeftOut, ...], unless_empty()] = ()
    """Services of the experiment that could not run here, each with the reason."""
    comparable_sha256: Annotated[str, unless_empty()] = ""
    """Equal for runs that can be compared: of what was asked for, without the seed. Empty in older ones."""

    def to_json(self) -> str:
        """The text of `summary.json`; equal summaries give equal bytes."""
        return _CODEC.encode(self, indent=2) + "\n"

    @classmethod
    def from_json(cls, document: str | bytes, *, where: str = "summary.json") -> Summary:
        """Raises InputError naming `where` when the document is not a summary of this schema."""
        return _CODEC.decode(document, where=where)


_CODEC: Final = Codec[Summary](Summary)


def summary_schema() -> str:
    """The JSON schema of `summary.json`, as text."""
    return _CODEC.schema()


AUDIT: Final = "audit"
PHASES: Final = ("warmup", "baseline", "fault", "recovery", AUDIT)
"""In their order."""
BEFORE_FAULT: Final = ("warmup", "baseline")


def since_fault(by_phase: Mapping[str, Answers], *, faulted: bool) -> Answers:
    """The answers of all phases that do not precede the fault; without one, of all but the warm-up."""
    earlier = BEFORE_FAULT if faulted else BEFORE_FAULT[:1]
    return Answers.joined(answers for phase, answers in by_phase.items() if phase not in earlier)
