"""The decision framework: what speaks for a stateless design, what for a stateful one, and which to take.

Pure scoring; the points are those of the project's decision framework (docs/deciding.md). A score
is no measurement, so the command that prints the advice sets beside it what recorded runs found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from statefall.records.terms import StateDesign

STATELESS_MARK: Final = 5
STATEFUL_MARK: Final = 6


class Requirements(BaseModel):
    """What is asked of the service: one file for `statefall advise`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    concurrent_users: Annotated[int, Field(ge=0)]
    """Expected at the peak."""
    availability_percent: Annotated[float, Field(ge=0, le=100)] = 99.0
    deployments_per_month: Annotated[float, Field(ge=0)] = 1.0
    team_size: Annotated[int, Field(ge=1)] = 5
    simple_request_response: bool = False
    """Each request can be answered from itself and shared data alone."""
    websockets: bool = False
    conversation: bool = False
    """Answers depend on the exchanges before."""
    expensive_computations: bool = False
    high_personalisation: bool = False
    real_time: bool = False


class Advice(StrEnum):
    """What the scores say."""

    STATELESS = "stateless"
    STATEFUL = "stateful"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class Reason:
    """Points for one side, and why."""

    points: int
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Both sides with their reasons, and the advice that follows."""

    stateless: tuple[Reason, ...]
    stateful: tuple[Reason, ...]

    @property
    def stateless_score(self) -> int:
        """0 to 10."""
        return sum(reason.points for reason in self.stateless)

    @property
    def stateful_score(self) -> int:
        """0 to 13."""
        return sum(reason.points for reason in self.stateful)

    @property
    def stateless_verdict(self) -> str:
        """What this side's score alone says."""
        said = "recommended" if self.stateless_score >= STATELESS_MARK else "consider stateful"
        return f"stateless: {self.stateless_score} points, recommended at {STATELESS_MARK}: {said}"

    @property
    def stateful_verdict(self) -> str:
        """What this side's score alone says."""
        said = "recommended" if self.stateful_score >= STATEFUL_MARK else "consider stateless"
        return f"stateful: {self.stateful_score} points, recommended at {STATEFUL_MARK}: {said}"

    @property
    def advice(self) -> Advice:
        """The side that alone reaches its mark; the hybrid when both do or neither does."""
        stateless = self.stateless_score >= STATELESS_MARK
        stateful = self.stateful_score >= STATEFUL_MARK
        if stateless == stateful:
            return Advice.HYBRID
        return Advice.STATELESS if stateless else Advice.STATEFUL

    @property
    def because(self) -> str:
        """One sentence that says how the advice came about."""
        stateless = f"stateless {self.stateless_score} of the {STATELESS_MARK} it needs"
        stateful = f"stateful {self.stateful_score} of the {STATEFUL_MARK} it needs"
        match self.advice:
            case Advice.STATELESS:
                return f"only the stateless side reaches its mark ({stateless}, {stateful})"
            case Advice.STATEFUL:
                return f"only the stateful side reaches its mark ({stateful}, {stateless})"
            case Advice.HYBRID if self.stateless_score >= STATELESS_MARK:
                return (
                    f"both sides reach their marks ({stateless}, {stateful}): keep state out of the processes"
                )
            case _:
                return f"neither side reaches its mark ({stateless}, {stateful}): keep both roads open"

    @property
    def designs(self) -> tuple[StateDesign, ...]:
        """The state designs that carry out the advice, the first one first."""
        match self.advice:
            case Advice.STATELESS:
                return (StateDesign.CLIENT,)
            case Advice.STATEFUL:
                return (StateDesign.HANDOFF, StateDesign.REPLICATED, StateDesign.MEMORY)
            case Advice.HYBRID:
                return (StateDesign.EXTERNAL, StateDesign.WRITE_THROUGH)


def decide(needs: Requirements) -> Decision:
    """Score both sides."""
    stateless = (
        (
            needs.concurrent_users > 10_000,
            3,
            "more than 10,000 concurrent users: any replica must serve anyone",
        ),
        (
            needs.availability_percent > 99.9,
            2,
            "more than 99.9 % availability: a replica must be free to die",
        ),
        (needs.deployments_per_month > 10, 2, "more than 10 deployments a month: rollouts must cost nobody"),
        (needs.simple_request_response, 2, "simple request and response: there is little to remember"),
        (needs.team_size < 5, 1, "a team of fewer than 5: the simpler operation wins"),
    )
    stateful = (
        (needs.websockets, 3, "WebSockets: a connection lives on one server"),
        (needs.conversation, 3, "conversation: each answer needs the exchanges before"),
        (needs.expensive_computations, 2, "expensive computations: worth keeping beside the user"),
        (needs.high_personalisation, 2, "high personalisation: much of the user is needed at every request"),
        (needs.real_time, 2, "real time: no time to fetch state"),
        (
            needs.concurrent_users < 1_000,
            1,
            "fewer than 1,000 concurrent users: their sessions fit in one memory",
        ),
    )
    return Decision(
        tuple(Reason(points, text) for holds, points, text in stateless if holds),
        tuple(Reason(points, text) for holds, points, text in stateful if holds),
    )
