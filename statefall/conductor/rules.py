"""What an experiment asks of its cells: gates, wrong state that it allows, and for which cells each is."""

from __future__ import annotations

from typing import Self

from pydantic import field_validator, model_validator

from statefall.records.faults import FaultKind
from statefall.records.terms import Balancer, StateDesign
from statefall.records.verdicts import WRONG_STATE, Verdict
from statefall.results.model import GateName
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

    @model_validator(mode="after")
    def _value_where_one_is_needed(self) -> Self:
        wants = self.gate in _GATES_WITH_VALUE
        if wants and self.value is None:
            raise ValueError(f"gate {self.gate.value!r} needs a value")
        if not wants and self.value is not None:
            raise ValueError(f"gate {self.gate.value!r} takes no value")
        return self


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
