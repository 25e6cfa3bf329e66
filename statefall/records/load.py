"""The load of a cell: its settings, declared once, and what the load generator needs besides."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum

from statefall.records.service import AnsweredBy, Reached, ServiceSpec


class Mix(StrEnum):
    """The published TPC-W mixes: shares of browsing and ordering interactions."""

    BROWSING = "browsing"
    SHOPPING = "shopping"
    ORDERING = "ordering"


@dataclass(frozen=True, slots=True)
class Shopper:
    """One user of the closed workload, as drawn for the plan."""

    index: int
    user_id: int
    arrival_s: float
    """Seconds after the start of the load at which this shopper logs in."""
    seed: int
    """Source of the shopper's journey and think times."""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """How users behave, whichever cell they meet. Times in seconds."""

    mix: Mix = Mix.SHOPPING
    think_time_s: float = 1.0
    """Mean of the negative exponential think time; truncated at ten times the mean as in TPC-W."""
    timeout_s: float = 5.0
    """A request without an answer for so long has failed; its outcome is unknown."""
    max_reloads: int = 1
    """How often a shopper whose session is unknown reloads before logging in again."""
    conversation_share: float = 0.0
    """Share of the steps that are an exchange of a conversation; only the stateful twin has one."""
    orders_share: float = 0.0
    """Share of the steps that look up past orders; only the stateful twin has them, and a limit for them."""
    recommendations_share: float = 0.0
    """Share of the steps that ask for recommendations."""
    validations_share: float = 0.0
    """Share of the steps that have the cart checked against the catalogue."""
    websocket_share: float = 0.0
    """Share of the shoppers who keep WebSockets open; only the stateful twin has them."""
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadConfig(LoadSpec):
    """Everything that the load generator needs to know of one cell."""

    cell: str
    target: str
    """Base URL of the balancer, for example `http://127.0.0.1:8080`."""
    seed: int
    shoppers: tuple[Shopper, ...]
    journey: str = ""
    """The user who drives it: the path of a Python file, a colon, a class."""
    answered_by: AnsweredBy = field(default_factory=AnsweredBy)
    reached: Reached = field(default_factory=Reached)
    access_log: str = ""
    """The balancer's log on this machine, where it says who answered."""
    control_port: int = 0
    """Port of the control API and of Locust's web UI on loopback; 0: any free one."""

    @classmethod
    def of(
        cls,
        load: LoadSpec,
        *,
        cell: str,
        seed: int,
        shoppers: tuple[Shopper, ...],
        service: ServiceSpec | None = None,
    ) -> LoadConfig:
        """For a cell whose address is not known yet: its cluster fills in the target."""
        settings = {each.name: getattr(load, each.name) for each in fields(load)}
        if service is not None:
            settings |= {
                "journey": service.journey,
                "answered_by": service.answered_by,
                "reached": service.reached,
            }
        return cls(**settings, cell=cell, target="", seed=seed, shoppers=shoppers)

    def to_json(self) -> bytes:
        """The document that `from_json` reads; equal configurations give equal bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, document: bytes) -> LoadConfig:
        """Raises ValueError, KeyError or TypeError when the document is not a LoadConfig."""
        given = json.loads(document)
        given["shoppers"] = tuple(Shopper(**shopper) for shopper in given["shoppers"])
        given["mix"] = Mix(given["mix"])
        for name, kind in (("answered_by", AnsweredBy), ("reached", Reached)):
            given[name] = kind(**given[name])
        return cls(**given)
