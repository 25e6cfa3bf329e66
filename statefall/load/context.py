"""What all virtual users of a load process share, and what each tells of its requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from statefall.ledger.history.writing import ProcessHistory
from statefall.ledger.realtime import RealtimeCounter
from statefall.ledger.session import Finding, Session
from statefall.ledger.session_registry import SessionRegistry
from statefall.load.recorder import Recorder
from statefall.records.clock import Clock
from statefall.records.events import Event
from statefall.records.load import LoadConfig, Shopper


@dataclass(frozen=True, slots=True)
class Sample:
    """A request as Locust's statistics want it."""

    name: str
    """Groups requests of the same kind."""
    method: str
    path: str
    began_wall_s: float
    took_s: float
    length_bytes: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class LoadContext:
    """What all shoppers of a load process share."""

    config: LoadConfig
    registry: SessionRegistry
    recorder: Recorder
    nonce: str
    """Makes operation ids unique over all processes and runs."""
    session_started: Callable[[Shopper, Session], None]
    """To be called with each session that was admitted to the registry."""
    found: Callable[[Finding], None]
    """To be called with each broken promise."""
    realtime: RealtimeCounter
    tell: Callable[[Event], None]
    """For what else belongs into the record of the run: lost connections and messages."""
    clock: Clock
    sampled: Callable[[Sample], None]
    """To be called with each request once it has ended."""
    history: ProcessHistory
