"""The load of one cell, as the conductor hands it to the load generator: one JSON document."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


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
class LoadConfig:
    """Everything that the load generator needs to know. Times in seconds."""

    cell: str
    target: str
    """Base URL of the balancer, for example `http://127.0.0.1:8080`."""
    seed: int
    shoppers: tuple[Shopper, ...]
    mix: Mix = Mix.SHOPPING
    think_time_s: float = 1.0
    """Mean of the negative exponential think time; truncated at ten times the mean as in TPC-W."""
    timeout_s: float = 5.0
    """A request without an answer for so long has failed; its outcome is unknown."""
    patience: int = 1
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
    products: int = 10_000
    password: str = "shopper"  # noqa: S105 - every generated user of the demonstration shop has it
    workers: int = 1
    control_port: int = 0
    """Port of the control API and of Locust's web UI on loopback; 0: any free one."""

    def to_json(self) -> bytes:
        """The document that `from_json` reads; equal configurations give equal bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, document: bytes) -> LoadConfig:
        """Raises ValueError, KeyError or TypeError when the document is not a LoadConfig."""
        fields = json.loads(document)
        fields["shoppers"] = tuple(Shopper(**shopper) for shopper in fields["shoppers"])
        fields["mix"] = Mix(fields["mix"])
        return cls(**fields)
