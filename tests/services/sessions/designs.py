"""Session stores of every design, several on one Valkey, as the replicas of a service have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.metrics import Metrics
from services.refusals import Unavailable
from services.sessions.conversation import Conversation, Exchange
from services.sessions.measures import SessionMeasures
from services.sessions.protocol import SessionStore
from services.sessions.replicated import ReplicatedSessions
from services.sessions.session import Session
from services.sessions.undo import Write
from services.settings import Serialisation, SessionDesign, Settings
from services.shop.cart import CartLine
from services.stateful.app import make_sessions
from services.store import Store
from services.store_client import TIMEOUT_S
from tests.services.backing import wait_until

STATE_KEY = "a key that seals sessions in tests, long enough"
SHARED = (SessionDesign.WRITE_THROUGH, SessionDesign.EXTERNAL, SessionDesign.REPLICATED)
"""Designs in which any replica finds any session at any time."""
EVERY = (SessionDesign.MEMORY, SessionDesign.HANDOFF, *SHARED)


@dataclass(slots=True)
class Household:
    """The replicas of one design; each is named for its boot."""

    design: SessionDesign
    store_url: str
    ttl_s: float = 60.0
    serialisation: Serialisation = Serialisation.JSON
    state_keys: tuple[str, ...] = (STATE_KEY,)
    store_replicas: int = 0
    store_timeout_s: float = TIMEOUT_S
    """How long each waits for the store; where what takes how long is not the point, be generous."""
    metrics: dict[str, Metrics] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)
    sessions: dict[str, SessionStore] = field(default_factory=dict)

    def start(self, boot: str, pod: str = "") -> SessionStore:
        """One more replica, which knows the others."""
        sessions = self.start_alone(boot, pod)
        if isinstance(sessions, ReplicatedSessions):
            wait_until(partial(self._joined, sessions), "the replicas know each other")
        return sessions

    def start_alone(self, boot: str, pod: str = "") -> SessionStore:
        """One more replica, whether it finds the others or not."""
        settings = Settings(
            pod=pod or f"pod-{boot}",
            boot=boot,
            database_url="",
            store_url=self.store_url,
            keys=(STATE_KEY,),
            state_keys=self.state_keys,
            state=self.design,
            session_ttl_s=self.ttl_s,
            serialisation=self.serialisation,
        )
        metrics = self.metrics[boot] = Metrics(settings.pod, boot)
        store = Store(
            self.store_url,
            metrics,
            connections=16,
            replicas=self.store_replicas,
            timeout_s=self.store_timeout_s,
        )
        self.stores[boot] = store
        sessions = self.sessions[boot] = make_sessions(settings, store, SessionMeasures(metrics.registry))
        sessions.open()
        return sessions

    def end(self, boot: str) -> None:
        """As at SIGTERM, without requests under way."""
        sessions = self.sessions.pop(boot)
        sessions.drain()
        sessions.close()
        self.stores.pop(boot).close()

    def kill(self, boot: str) -> None:
        """As at SIGKILL, as far as one can within a process: it answers nobody and tells nobody."""
        sessions = self.sessions.pop(boot)
        if isinstance(sessions, ReplicatedSessions):
            assert sessions._server is not None
            sessions._server.close()
            sessions._repair.close()

    def _introduced(self) -> bool:
        others = len(self.sessions) - 1
        return all((self.sample(boot, "statefall_peers") or 0) >= others for boot in self.sessions)

    def _joined(self, sessions: ReplicatedSessions) -> bool:
        try:
            sessions.check()
        except Unavailable:
            return False
        return self._introduced()

    def close(self) -> None:
        """End what still runs."""
        for boot in list(self.sessions):
            self.end(boot)
        for store in self.stores.values():
            store.close()

    def sample(self, boot: str, name: str, **labels: str) -> float | None:
        """A figure of one replica's metrics."""
        return self.metrics[boot].registry.get_sample_value(name, labels)


@contextmanager
def household(design: SessionDesign, store_url: str, **changes: Any) -> Iterator[Household]:
    """Replicas that end with the block."""
    house = Household(design, store_url, **changes)
    try:
        yield house
    finally:
        house.close()


def session(key: str = "k" * 64, user_id: int = 1) -> Session:
    """A new session."""
    return Session(key, user_id, "Ada", ("shop",), {"theme": "dark"}, 0, 5.0, 5.0)


def full_session(key: str = "f" * 64) -> Session:
    """One with something in every field."""
    return Session(
        key=key,
        user_id=7,
        name="Añes Müller",
        permissions=("shop", "admin"),
        preferences={"theme": "dark", "language": "日本語"},
        preferences_version=3,
        login_at_s=1_700_000_000.25,
        last_activity_at_s=1_700_000_100.5,
        cart=(CartLine(1, 2, 999, 1_700_000_050.125), CartLine(7, 1, 1_050, 1_700_000_060.0)),
        activity=("looked", "paid"),
        conversation=Conversation((Exchange("hello", "Hello, Añes."),), 21),
        email="user7@shop.example",
        writes=(
            Write("a digest", 1_700_000_070.0, ("looked",), None, None, (CartLine(1, 1, 999, 1.0),)),
            Write("", 1_700_000_080.0, None, (Exchange("hi", "Hi."),), {"theme": "light"}, None),
        ),
        version=4,
    )
