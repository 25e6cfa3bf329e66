"""The event log of a run, `events.jsonl`: one JSON object a line, in the order of being recorded.

Every event has `kind`, `monotonic_s`, `wall_s` and, inside a cell, `cell` (the cell's name). All
`monotonic_s` of a run are on the conductor's clock. The fields of each kind stand beside its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from foundation.clock import Instant

Event = dict[str, Any]


class Kind(StrEnum):
    """What happened. Fields in brackets may be null."""

    RUN_STARTED = "run_started"  # run, seed
    RUN_ENDED = "run_ended"  # verdict
    CELL_STARTED = "cell_started"  # service, state, balancer, replicas, repeat
    CELL_ENDED = "cell_ended"
    PHASE = "phase"  # phase: warmup | baseline | fault | recovery | audit

    POD = "pod"  # transition, pod, uid, address, container_id, restart_count, ready, terminating, detail

    FAULT_INTENT = "fault_intent"  # fault (id), fault_kind, victims [{pod, uid, container_id}], planned_at_s
    FAULT_ACT = "fault_act"  # fault: the moment just before the call
    FAULT_OBSERVED = "fault_observed"  # fault, effect (words), victims [...]: what was seen to happen
    FAULT_RECOVERED = "fault_recovered"  # fault, ready_replicas
    FAULT_FAILED = "fault_failed"  # fault, reason: the act failed or no effect was seen

    LOAD_LOST = "load_lost"  # reason: how the load generator ended; its cell has no books
    TICK = "tick"  # phase, interval_s, scheduled, completed, failed, dropped, in_flight, live_sessions,
    #                lost_so_far, logins, service_ms {p50, p90, p99, max} [null when nothing completed]
    SESSION_STARTED = "session_started"  # session, shopper, user_id, pod, boot
    SESSION_LOST = "session_lost"  # session, shopper, user_id, verdict, evidence, phase,
    #                                home {pod, boot, since_s}, answered_by [{pod, boot}],
    #                                acknowledged_version, seen_version [int]
    CONNECTION_LOST = "connection_lost"  # [session], shopper, user_id, connection, verdict: told | broken,
    #                                      code [int], evidence, phase, home {pod, boot, since_s}
    MESSAGE_LOST = "message_lost"  # [session], shopper, user_id, connection, verdict: lost | missed |
    #                                duplicated | forgotten, channel, stream, first, last (numbers), evidence,
    #                                phase, home {pod, boot, since_s}
    MARK = "mark"  # fault, live_sessions, by_boot {"pod/boot": sessions}: the ledger at the fault
    POD_METRICS = "pod_metrics"  # pod, boot, sessions_active, sessions_created, sessions_lost {cause: n},
    #                              operations, operations_repeated, requests, cpu_s,
    #                              overhead_cpu_s {part: s}, cache_lookups {cache: {result: n}}


def event(kind: Kind, at: Instant, **fields: Any) -> Event:
    """An event record of this kind at this moment."""
    return {"kind": kind.value, **at.record(), **fields}


def line(record: Mapping[str, Any]) -> str:
    """The record as one line of `events.jsonl`, newline included."""
    return json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n"
