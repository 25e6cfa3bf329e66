"""The metrics of a replica that a run keeps beyond sessions, requests and time."""

from __future__ import annotations

from typing import Final

SUMMED: Final = frozenset(
    {
        "statefall_sessions_degraded_total",
        "statefall_sessions_handed_over_total",
        "statefall_session_conflicts_total",
        "statefall_under_replicated_total",
        "statefall_store_errors_total",
        "statefall_store_refusals_total",
        "statefall_store_seconds_sum",
        "statefall_store_seconds_count",
        "statefall_database_connections_refused_total",
        "statefall_conversation_exchanges_total",
        "statefall_websockets_opened_total",
        "statefall_websockets_refused_total",
        "statefall_websockets_told_lost_total",
        "statefall_websocket_deliveries_total",
        "statefall_broadcast_messages_total",
        "statefall_logins_throttled_total",
    }
)
"""Grow with every process; what one counted after its last scrape went with it."""
HIGHEST: Final = frozenset(
    {
        "statefall_store_sessions",
        "statefall_store_memory_bytes",
        "statefall_database_connections",
        "statefall_websocket_connections",
        "statefall_sessions_backed_up",
    }
)
"""Levels: of these, the highest that any replica said at any time."""
KEPT: Final = SUMMED | HIGHEST
