"""What the state designs count, beside what every replica counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class SessionMeasures:
    """The collectors of one replica's sessions. Made once for a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.conflicts = Counter(
            "statefall_session_conflicts",
            "Writes that found a newer version and were done again on it.",
            registry=registry,
        )
        self.degraded = Counter(
            "statefall_sessions_degraded",
            "Answers from a session rebuilt from the database while the store was away.",
            registry=registry,
        )
        self.handed_over = Counter(
            "statefall_sessions_handed_over",
            "Sessions that moved between replicas: given away (out), taken over (in).",
            ["direction"],
            registry=registry,
        )
        for direction in ("in", "out"):
            self.handed_over.labels(direction)
        self.peers = Gauge("statefall_peers", "Other replicas that this one knows of.", registry=registry)
        self.under_replicated = Counter(
            "statefall_under_replicated",
            "Answers given without a copy of the session on another replica.",
            registry=registry,
        )
        self.lacking_copies = Gauge(
            "statefall_sessions_under_replicated",
            "Sessions owned here that have no copy on a living replica now.",
            registry=registry,
        )
        self.backed_up = Gauge(
            "statefall_sessions_backed_up", "Copies kept here of sessions that others own.", registry=registry
        )
        self.store_sessions = Gauge(
            "statefall_store_sessions",
            "Session records in the store, those expired within the last minutes included.",
            registry=registry,
        )
        self.store_memory = Gauge(
            "statefall_store_memory_bytes", "Memory that the store uses, all servers.", registry=registry
        )
        self.store_memory_limit = Gauge(
            "statefall_store_memory_limit_bytes",
            "Memory that the store may use, all servers; 0: no limit is set.",
            registry=registry,
        )
