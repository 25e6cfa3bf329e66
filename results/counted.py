"""What the replicas counted of themselves beyond sessions, requests and time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from results.timeline import CellTimeline, PodFigures

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


def counted(timeline: CellTimeline) -> dict[str, float]:
    """Metric -> its value over all replicas and the whole cell; metrics that stayed 0 are left out."""
    last = {(figures.who.pod, figures.who.boot): figures for figures in timeline.figures}
    found = {name: _values(name, last.values()) for name in SUMMED}
    totals = {name: sum(values) for name, values in found.items()}
    totals |= {name: max(_values(name, timeline.figures), default=0.0) for name in HIGHEST}
    return {name: round(totals[name], 6) for name in sorted(totals) if totals[name]}


def _values(name: str, figures: Iterable[PodFigures]) -> list[float]:
    return [each.counted[name] for each in figures if name in each.counted]
