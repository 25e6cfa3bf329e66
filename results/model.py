"""What a run found, `summary.json`: the names in here are relied on by people and programs outside.

Times are seconds, latencies milliseconds. A session is counted under the verdict of the ledger; the
sessions alive at the (first) fault are the ones that `sessions` and `lost_by_cause` speak of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from foundation.terms import Balancer, Service, StateDesign
from foundation.verdicts import Answers, RealtimeCounts, RequestCounts
from results import codec

SCHEMA: Final = "statefall/summary/v1"


class Outcome(StrEnum):
    """The verdict of a cell or a run; the worst cell decides the run."""

    PASSED = "passed"
    """Every gate that applies passed."""
    INCONCLUSIVE = "inconclusive"
    """No gate failed, but at least one could not be decided."""
    FAILED = "failed"
    """A gate failed, on a sound run."""
    INVALID = "invalid"
    """The record does not support a verdict."""


class Cause(StrEnum):
    """Why a session was lost, from the record of what happened."""

    POD_KILLED = "pod_killed"
    POD_DELETED = "pod_deleted"
    SCALED_IN = "scaled_in"
    ROLLED_OUT = "rolled_out"
    EVICTED = "evicted"
    DRAINED = "drained"
    POD_CRASHED = "pod_crashed"
    """Its home exited and nobody had asked for it."""
    STORE_LOST = "store_lost"
    REROUTED = "rerouted"
    """Another replica answered while the session's home lived."""
    EXPIRED = "expired"
    """The load generator's own fault."""
    UNEXPLAINED = "unexplained"


class GateName(StrEnum):
    """The rules that an experiment can ask for."""

    LIVE_AT_FAULT_AT_LEAST = "live_at_fault_at_least"
    """At least `limit` sessions were alive at the first fault; with fewer the cell is invalid."""
    LOST_AT_MOST = "lost_at_most"
    """At most `limit` sessions of the whole cell were lost."""
    LOST_WITHIN_PREDICTION = "lost_within_prediction"
    """The sessions lost of those alive at the fault lie in the predicted interval."""
    LOST_BEFORE_FAULT_AT_LEAST_SHARE = "lost_before_fault_at_least_share"
    """At least the share `limit` of the users who logged in before the fault lost a session before it."""
    VICTIM_HELD_EQUALS_LOST = "victim_held_equals_lost"
    """The sessions lost of those alive at the fault are as many as the victims' own metrics counted."""
    NO_UNEXPLAINED_LOSS = "no_unexplained_loss"
    """Every lost session of the cell has a cause."""
    NO_WRONG_STATE = "no_wrong_state"
    """No session of the cell was rolled back, duplicated or answered to another user."""
    DEGRADED_AT_LEAST = "degraded_at_least"
    """At least `limit` answers from the fault on said to be degraded: the store's absence was told."""
    ANSWERED_WITHIN_S = "answered_within_s"
    """No request from the fault on waited longer than `limit` seconds for its answer or its refusal."""
    MESSAGES_LOST_AT_MOST = "messages_lost_at_most"
    """At most `limit` messages never reached a connection that was open when they were published."""
    NO_WRONG_MESSAGE = "no_wrong_message"
    """No message came to a connection twice, and no connection's own chat was forgotten."""
    BOOKS_BALANCE = "books_balance"
    """All books of the cell hold."""


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """`at_fault` is the sum of the others: sessions alive at the fault, by verdict."""

    at_fault: int = 0
    kept: int = 0
    lost: int = 0
    rolled_back: int = 0
    duplicated: int = 0
    foreign: int = 0
    misrouted: int = 0
    indeterminate: int = 0


@dataclass(frozen=True, slots=True)
class PhaseSessions:
    """What the ledger found in one phase, of all sessions: each finding counts in the phase it was made."""

    started: int = 0
    lost: int = 0
    rolled_back: int = 0
    duplicated: int = 0
    foreign: int = 0
    misrouted: int = 0
    causes: dict[Cause, int] = field(default_factory=dict)
    """Of the lost ones; sums to `lost`."""


@dataclass(frozen=True, slots=True)
class UsersBefore:
    """The users of the phases before the fault. One who loses a session logs in again, and stays one user."""

    served: int = 0
    """Logged in at least once."""
    lost_a_session: int = 0


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
class Book:
    """Two counts of the same thing from two sources."""

    name: str
    holds: bool
    """They are equal, or the difference is named in `note` and lawful."""
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


@dataclass(frozen=True, slots=True)
class Gate:
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
    service: Service
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
    books: tuple[Book, ...]
    gates: tuple[Gate, ...]
    realtime: RealtimeCounts = field(default_factory=RealtimeCounts)
    """WebSockets, messages and chats, where shoppers had them; the sessions above say nothing of these."""
    variant: str = ""
    """Which of the experiment's variants of the settings; empty where it has none."""
    costs: Costs = field(default_factory=Costs)
    answers_by_phase: dict[str, Answers] = field(default_factory=dict)
    counted: dict[str, float] = field(default_factory=dict)
    """Metric -> what the replicas counted of themselves, in the whole cell (see `results.counted`)."""
    spread: tuple[PodShare, ...] = ()

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

    def to_json(self) -> str:
        """The text of `summary.json`; equal summaries give equal bytes."""
        return codec.encode(self)

    @classmethod
    def from_json(cls, document: str | bytes, *, where: str = "summary.json") -> Summary:
        """Raises InputError naming `where` when the document is not a summary of this schema."""
        return codec.decode(cls, document, where=where)


PHASES: Final = ("warmup", "baseline", "fault", "recovery", "audit")
"""In their order."""
BEFORE_FAULT: Final = ("warmup", "baseline")


def since_fault(by_phase: Mapping[str, Answers], *, faulted: bool) -> Answers:
    """The answers of all phases that do not precede the fault; without one, of all but the warm-up."""
    earlier = BEFORE_FAULT if faulted else BEFORE_FAULT[:1]
    return Answers.joined(answers for phase, answers in by_phase.items() if phase not in earlier)
