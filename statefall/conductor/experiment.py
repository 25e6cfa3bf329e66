"""What an experiment file may say. The models are the reference: each field states its unit and meaning."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from statefall.conductor.rules import Allowed, Gate, When
from statefall.records.errors import InputError
from statefall.records.faults import FaultKind, Hits
from statefall.records.load import LoadSpec, Mix
from statefall.records.terms import Balancer, Service, StateDesign
from statefall.service.file import UNION_TAGS, Section, ServiceSection


def _names_of_variables(settings: dict[str, str]) -> dict[str, str]:
    for name in settings:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{name!r} is no name of an environment variable")
    return settings


Settings = Annotated[dict[str, str], AfterValidator(_names_of_variables)]
"""Environment of the replicas; the twins' begin with STATEFALL_."""
PositiveSeconds = Annotated[float, Field(gt=0, le=86_400)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


# Short enough that the longest name of a cell is still a label of Kubernetes.
UnderTest = Annotated[
    Annotated[ServiceSection, Tag(UNION_TAGS[0])] | Annotated[str, Tag(UNION_TAGS[1])],
    Discriminator(lambda given: UNION_TAGS[isinstance(given, str)]),
]
"""A service file's content, or the path of one."""
VariantName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,11}[a-z0-9])?$")]


class Matrix(Section):
    """The cells: every combination of these lists that makes sense.

    Without `state`, the stateless twin runs `client` and the stateful one `memory`. Without
    `service`, the states say it. A combination of a twin with a foreign state is left out. For services
    of one's own `service` chooses among them, and `state` is for their files to say.
    """

    service: tuple[str, ...] = ()
    state: tuple[StateDesign, ...] = ()
    balancer: tuple[Balancer, ...] = Field(default=(Balancer.PLAIN, Balancer.STICKY), min_length=1)
    fault: tuple[FaultKind, ...] = ()
    """A fault kind for each cell, in place of `faults`; each takes its other values from `fault_defaults`."""
    variant: tuple[str, ...] = ()
    """Only these of `variants`; all of them when empty."""

    @field_validator("service", "state", "balancer", "fault", "variant")
    @classmethod
    def _no_repeats(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError(
                "a value stands twice in the list; more runs of a cell are asked for with --repeats"
            )
        return values


_EXTRA_SHARES = ("conversation_share", "orders_share", "recommendations_share", "validations_share")


_REALTIME_SHARES = ("conversation_share", "orders_share", "websocket_share")


class Load(Section):
    """A closed workload: so many shoppers, each with one request under way at a time."""

    shoppers: int = Field(default=99, ge=1, le=100_000)
    mix: Mix = Mix.SHOPPING
    think_time_s: PositiveSeconds = 1.0
    """Mean of the negative exponential time between an answer and the next request."""
    arrivals_s: PositiveSeconds = 5.0
    """The shoppers arrive at random moments within so many seconds from the start."""
    timeout_s: PositiveSeconds = 5.0
    max_reloads: int = Field(default=1, ge=0, le=10, validation_alias=AliasChoices("max_reloads", "patience"))
    """How often a shopper whose session is unknown reloads before logging in again; formerly `patience`."""
    conversation_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps that are an exchange of a conversation; the stateless twin has none."""
    orders_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps that look up past orders; the stateless twin has none."""
    recommendations_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps that ask for recommendations."""
    validations_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps that have the cart checked against the catalogue."""
    websocket_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the shoppers who keep WebSockets open; the stateless twin has none."""
    workers: int = Field(default=1, ge=1, le=256)

    @model_validator(mode="after")
    def _shares_of_one_walk(self) -> Self:
        if self.extra_share > 1:
            raise ValueError(f"{', '.join(_EXTRA_SHARES)} together are more than 1")
        return self

    def spec(self, *, realtime: bool) -> LoadSpec:
        """For a service; without `realtime` it has no conversation, past orders or WebSockets."""
        said = {each.name: getattr(self, each.name) for each in fields(LoadSpec)}
        lacking = {} if realtime else dict.fromkeys(_REALTIME_SHARES, 0.0)
        return LoadSpec(**{**said, **lacking})

    @property
    def extra_share(self) -> float:
        """The share of the steps that are none of the mix."""
        return float(sum(getattr(self, name) for name in _EXTRA_SHARES))


class Phases(Section):
    """How long each phase lasts. Faults are timed from the start of the fault phase."""

    warmup_s: PositiveSeconds = 8.0
    baseline_s: PositiveSeconds = 5.0
    fault_s: PositiveSeconds = 5.0
    recovery_s: PositiveSeconds = 8.0

    @property
    def total_s(self) -> float:
        """From the start of the load to the audit."""
        return sum(self.lengths_s.values())

    @property
    def lengths_s(self) -> dict[str, float]:
        """By the phase's name, in their order."""
        return {
            "warmup": self.warmup_s,
            "baseline": self.baseline_s,
            "fault": self.fault_s,
            "recovery": self.recovery_s,
        }


class Fault(Section):
    """One fault; its victims are drawn from the seed."""

    kind: FaultKind
    at_s: Seconds = 0.0
    """Seconds after the start of the fault phase."""
    count: int = Field(default=1, ge=1, le=1000)
    """How many pods: victims of a kill, a delete or an eviction, steps of a scale-in or a scale-out."""
    grace_s: Seconds | None = None
    """Grace period of a delete; the deployment's when absent."""
    duration_s: PositiveSeconds = 3.0
    """How long what lasts is left so, from the moment when it was seen."""

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        if self.grace_s is not None and not self.kind.traits.takes_grace:
            takers = ", ".join(f"`{kind}`" for kind in FaultKind if kind.traits.takes_grace)
            raise ValueError(f"grace_s is for {takers}: {self.kind} takes no grace period of its own")
        if self.kind.traits.hits is Hits.NODE and self.count > 1:
            raise ValueError(f"a {self.kind} takes one node: leave count out")
        return self


class Deploy(Section):
    """How the replicas are run."""

    grace_s: PositiveSeconds = 10.0
    pre_stop_s: Seconds = 1.0
    settings: Settings = Field(default_factory=dict)
    """More environment for the replicas."""

    @model_validator(mode="after")
    def _pre_stop_within_grace(self) -> Self:
        if self.pre_stop_s >= self.grace_s:
            raise ValueError("pre_stop_s must be shorter than grace_s: preStop spends the grace period")
        return self


class Experiment(Section):
    """An experiment file."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")
    summary: str = Field(min_length=1, max_length=300)
    service: UnderTest | None = None
    """The service under test: a mapping, or the path of a service file. Without it: the twins."""
    services: tuple[str, ...] = ()
    """Several services under test, each the path of a service file."""
    matrix: Matrix
    replicas: int = Field(default=3, ge=1, le=500)
    load: Load = Load()
    phases: Phases = Phases()
    deploy: Deploy = Deploy()
    faults: tuple[Fault, ...] = ()
    fault_defaults: dict[FaultKind, Fault] = Field(default_factory=dict)
    """For `matrix.fault`: the values of each kind, where they are not the usual ones, without `kind`."""
    variants: dict[VariantName, Settings] = Field(default_factory=dict)
    """The same cells once with the settings of each, over `deploy.settings`."""
    gates: tuple[Gate, ...] = ()
    allow: tuple[Allowed, ...] = ()
    """Wrong state that does not fail a cell; all other does, whatever the gates."""

    @field_validator("allow", mode="before")
    @classmethod
    def _verdict_alone(cls, given: object) -> object:
        """A name alone allows it in every cell."""
        if not isinstance(given, list | tuple):
            return given
        return [{"verdict": each} if isinstance(each, str) else each for each in given]

    @field_validator("fault_defaults", mode="before")
    @classmethod
    def _kind_is_the_key(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        for kind, values in given.items():
            if isinstance(values, dict) and values.get("kind", kind) != kind:
                raise ValueError(f"the values of {kind!r} are those of a {values['kind']!r}")
        return {k: {"kind": k, **v} if isinstance(v, dict) else v for k, v in given.items()}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.matrix.fault and self.faults:
            raise ValueError("give either matrix.fault or faults, not both")
        if self.of_twins:
            self._fits_the_twins()
        elif self.service is not None and self.services:
            raise ValueError("give either service or services, not both")
        elif self.matrix.state:
            raise ValueError("matrix.state is for the twins: the service's own file says `state`")
        asked = [("matrix.variant", name) for name in self.matrix.variant]
        asked += [(f"{place}: when.variant", w.variant) for place, w in self.conditions() if w.variant]
        for where, name in asked:
            if name not in self.variants:
                known = ", ".join(self.variants) or "none"
                raise ValueError(f"{where}: {name!r} is not among the variants ({known})")
        end_s = self.phases.fault_s + self.phases.recovery_s
        for fault in (*self.faults, *self.fault_defaults.values()):
            if fault.at_s >= end_s:
                raise ValueError(
                    f"faults: {fault.kind} at {fault.at_s:g} s is later than the run's end, "
                    f"{end_s:g} s after the start of the fault phase"
                )
            if fault.kind.takes_victims and fault.count > self.replicas:
                raise ValueError(
                    f"faults: {fault.kind} of {fault.count} pods, but replicas is {self.replicas}"
                )
            if self.replicas + fault.kind.traits.grows * fault.count < 1:
                raise ValueError(
                    f"faults: {fault.kind} by {fault.count} leaves none of {self.replicas} replicas"
                )
        return self

    @property
    def of_twins(self) -> bool:
        """Whether the twins are the services under test."""
        return self.service is None and not self.services

    def conditions(self) -> list[tuple[str, When]]:
        """Every condition of the file, and where it stands."""
        gates = [("gates", gate.when) for gate in self.gates]
        return gates + [("allow", allowed.when) for allowed in self.allow]

    @property
    def says_replicas(self) -> bool:
        """Whether the file names their number, or leaves it to what stands."""
        return "replicas" in self.model_fields_set

    def _fits_the_twins(self) -> None:
        twins = list(Service)
        asked = [("matrix.service", name) for name in self.matrix.service]
        asked += [(f"{place}: when.service", w.service) for place, w in self.conditions() if w.service]
        for where, name in asked:
            if name not in twins:
                raise ValueError(f"{where}: {name!r} is neither {' nor '.join(twins)}")
        for name in (n for values in (self.deploy.settings, *self.variants.values()) for n in values):
            if not name.startswith("STATEFALL_"):
                raise ValueError(f"setting {name!r} must begin with STATEFALL_")
        others = {StateDesign.REPLICA, StateDesign.STORE, StateDesign.UNKNOWN} & set(self.matrix.state)
        if others:
            raise ValueError(f"matrix.state: {sorted(others)[0]!r} is no design of the twins")
        if not self.arms():
            raise ValueError(
                "matrix: no combination of service and state makes sense (client is the stateless twin's)"
            )

    def arms(self) -> tuple[tuple[Service, StateDesign], ...]:
        """The combinations of twin and state that the matrix asks for, in the file's order."""
        states = self.matrix.state or tuple(
            StateDesign.CLIENT if s == Service.STATELESS else StateDesign.MEMORY for s in self.matrix.service
        )
        found = []
        for state in states:
            twin = Service.STATELESS if state is StateDesign.CLIENT else Service.STATEFUL
            if not self.matrix.service or twin in self.matrix.service:
                found.append((twin, state))
        return tuple(dict.fromkeys(found))

    def variant_names(self) -> tuple[str, ...]:
        """The variants that run, in the file's order; the empty name alone where there are none."""
        return self.matrix.variant or tuple(self.variants) or ("",)

    def settings(self, variant: str) -> Settings:
        """The environment of the replicas in a cell of this variant."""
        return {**self.deploy.settings, **self.variants.get(variant, {})}

    def fault_sets(self) -> tuple[tuple[Fault, ...], ...]:
        """The faults of a cell, one set for each value of `matrix.fault`, else the one set `faults`."""
        if not self.matrix.fault:
            return (self.faults,)
        return tuple((self.fault_defaults.get(kind, Fault(kind=kind)),) for kind in self.matrix.fault)


def with_replicas(experiment: Experiment, replicas: int) -> Experiment:
    """The experiment with so many replicas. Raises InputError where its faults do not fit that."""
    said = experiment.model_dump(mode="json", exclude_unset=True)
    try:
        return Experiment.model_validate({**said, "replicas": replicas})
    except ValidationError as error:
        what = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InputError(what, hint=f"{replicas} replicas stand") from error
