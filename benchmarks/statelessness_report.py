"""What the benchmark of statelessness found, as JSON and as a Markdown table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and range, rounded to what the clock can tell."""
    return {
        "median": round(statistics.median(values), 1),
        "lowest": round(min(values), 1),
        "highest": round(max(values), 1),
    }


def table(measured: Mapping[str, Any]) -> str:
    """The same as Markdown."""

    def cell(figures: Mapping[str, float]) -> str:
        return f"{figures['median']:,.0f} ({figures['lowest']:,.0f} to {figures['highest']:,.0f})"

    lines = [
        "# What it costs to keep no state",
        "",
        f"Measured {measured['measured_at']} by `python benchmarks/statelessness.py`, on"
        f" {measured['fingerprint']['cores']} shared cores, {measured['fingerprint']['python']},"
        f" {measured['fingerprint']['database']}, {measured['fingerprint']['store']}:"
        f" {measured['connections']} connections that each send as fast as they are answered,"
        f" {measured['users']} users in turn. Median of the rounds, and the lowest and highest.",
        "",
        "| what a request costs | request | requests | answers/s | replica, us | store, us | database, us |",
        "|---|---|--:|--:|--:|--:|--:|",
        *(
            f"| {kind['words']} | {kind['replica']}: `{kind['request']}` | {kind['requests']:,}"
            f" | {cell(kind['per_s'])} | {cell(kind['replica_cpu_us'])}"
            f" | {kind['store_cpu_us']['median']:,.0f} | {kind['database_cpu_us']['median']:,.0f} |"
            for kind in measured["kinds"]
        ),
        "",
        "The difference within each round, in the replica's processor time for a request:",
        "",
        "| what instead of what | us more |",
        "|---|--:|",
        *(f"| {pair['words']} | {cell(pair['more_replica_cpu_us'])} |" for pair in measured["pairs"]),
        "",
        "Answers a second are what this machine gave while it also ran the sender, the store and the"
        " database; processor times carry over better. A range that holds 0 shows no difference.",
        "",
    ]
    return "\n".join(lines)
