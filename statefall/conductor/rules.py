"""What an experiment asks of its cells: gates, wrong state that it allows, and for which cells each is."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from statefall.records.faults import FaultKind
from statefall.records.terms import Balancer, StateDesign
from statefall.records.verdicts import WRONG_STATE, Verdict
from statefall.results.model import GateName
from statefall.results.run_head import Bound, Figure, GateRule, Since, Window
from statefall.service.file import Section


class When(Section):
    """Which cells a gate is for: all that match every key given."""

    service: str | None = None
    state: StateDesign | None = None
    balancer: Balancer | None = None
    fault: FaultKind | None = None
    variant: str | None = None


_GATES_WITH_VALUE = {
    GateName.LIVE_AT_FAULT_AT_LEAST,
    GateName.LOST_AT_MOST,
    GateName.LOST_BEFORE_FAULT_AT_LEAST_SHARE,
    GateName.DEGRADED_AT_LEAST,
    GateName.ANSWERED_WITHIN_S,
    GateName.MESSAGES_LOST_AT_MOST,
}


class Gate(Section):
    """A rule that a cell must keep for the run to pass."""

    gate: GateName
    value: float | None = None
    when: When = When()
    figure: Figure | None = None
    """Of the gate `figure`: what is measured, and when, below."""
    phase: Literal["", "warmup", "baseline", "fault", "recovery"] = ""
    since: Since | None = None
    within_s: float | None = Field(default=None, gt=0, le=86_400)
    at_most: float | None = Field(default=None, ge=0)
    at_least: float | None = Field(default=None, ge=0)
    of: Literal["", "warmup", "baseline", "fault", "recovery"] = ""

    @model_validator(mode="after")
    def _value_where_one_is_needed(self) -> Self:
        wants = self.gate in _GATES_WITH_VALUE
        if wants and self.value is None:
            raise ValueError(f"gate {self.gate.value!r} needs a value")
        if not wants and self.value is not None:
            raise ValueError(f"gate {self.gate.value!r} takes no value")
        return self

    @model_validator(mode="after")
    def _window_where_one_is_needed(self) -> Self:
        keys = ("figure", "phase", "since", "within_s", "at_most", "at_least", "of")
        said = [key for key in keys if getattr(self, key) not in (None, "")]
        if self.gate is not GateName.FIGURE:
            if said:
                raise ValueError(f"{said[0]!r} is for the gate 'figure'")
            return self
        if self.figure is None:
            raise ValueError(f"gate 'figure' needs a figure: {', '.join(Figure)}")
        if bool(self.phase) == (self.since is not None):
            raise ValueError("gate 'figure' needs either a phase or since")
        if self.within_s is not None and self.since is None:
            raise ValueError("within_s is counted from since")
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("gate 'figure' needs either at_most or at_least")
        return self

    def rule(self) -> GateRule:
        """For the judge."""
        if self.gate is not GateName.FIGURE:
            return GateRule(self.gate, self.value)
        assert self.figure is not None
        bound = Bound.AT_LEAST if self.at_most is None else Bound.AT_MOST
        limit = self.at_least if self.at_most is None else self.at_most
        window = Window(self.figure, bound, self.phase, self.since, self.within_s, self.of)
        return GateRule(self.gate, limit, window)


class Allowed(Section):
    """Wrong state that comes by design, so that it does not fail the cell."""

    verdict: Verdict
    when: When = When()

    @field_validator("verdict")
    @classmethod
    def _of_wrong_state(cls, verdict: Verdict) -> Verdict:
        if verdict not in WRONG_STATE:
            known = ", ".join(each.value for each in WRONG_STATE)
            raise ValueError(f"{verdict.value!r} is no wrong state ({known})")
        return verdict
