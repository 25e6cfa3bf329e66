"""How results are said in words: one vocabulary for the terminal, the report and the headline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from statefall.records.causes import Cause
from statefall.records.faults import traits_of
from statefall.records.terms import Balancer, Service, StateDesign
from statefall.records.verdicts import RequestFailure, Verdict
from statefall.results.model import Cell, Costs, GateName, Outcome, Prediction, Summary

VERDICTS: Final[Mapping[Outcome, str]] = {
    Outcome.PASSED: "every gate that the experiment set for it was met",
    Outcome.FAILED: "the record is sound and at least one gate was not met",
    Outcome.INCONCLUSIVE: "something could not be decided, or the surroundings were not fit to decide by",
    Outcome.INVALID: "the record does not support a verdict; the reason stands beside it",
}
SESSION_VERDICTS: Final[Mapping[str, str]] = {
    "kept": "the last read showed every acknowledged write, once",
    "lost": "unknown to the service, or silently new",
    "rolled back": "older than a write that had been acknowledged",
    "duplicated": "one operation was applied twice",
    "foreign": "another user's state was answered",
    "misrouted": "unknown where a request went, later found intact",
    "indeterminate": "no read since the fault decides it",
}
WRONG: Final[Mapping[Verdict, str]] = {
    Verdict.FOREIGN: "answered with another user's state",
    Verdict.ROLLED_BACK: "rolled back",
    Verdict.DUPLICATED: "hit by an operation applied twice",
    Verdict.MISROUTED: "unknown where a request went and found again later",
}
"""What happened to a session, after `was` or `were`."""
CAUSES: Final[Mapping[Cause, tuple[str, str]]] = {
    Cause.POD_KILLED: ("pod killed", "its replica was killed (SIGKILL)"),
    Cause.POD_DELETED: ("pod deleted", "its replica was deleted"),
    Cause.SCALED_IN: ("scaled in", "its replica went in a scale-in"),
    Cause.ROLLED_OUT: ("rolled out", "its replica was replaced by a rolling update"),
    Cause.EVICTED: ("evicted", "its replica was evicted"),
    Cause.DRAINED: ("drained", "its replica's node was drained"),
    Cause.POD_CRASHED: ("pod crashed", "its replica ended and nobody had asked for it"),
    Cause.STORE_LOST: ("store lost", "it lived in the session store, which was out"),
    Cause.NEAR_FAULT: ("near the fault", "seen soon after a fault; nobody says which replica answered"),
    Cause.REROUTED: ("rerouted", "another replica answered while its own was alive"),
    Cause.EXPIRED: ("expired", "its time to live had passed"),
    Cause.UNEXPLAINED: ("unexplained", "nothing on record explains it"),
}
STATES: Final[Mapping[StateDesign, str]] = {
    StateDesign.CLIENT: "the session travels with the client, in a signed token",
    StateDesign.MEMORY: "the session lives in one replica's memory only",
    StateDesign.HANDOFF: "in memory, handed to the store when the replica ends gracefully",
    StateDesign.WRITE_THROUGH: "in memory and in the store, on every change",
    StateDesign.EXTERNAL: "in the store only",
    StateDesign.REPLICA: "the session lives in one replica",
    StateDesign.STORE: "the session lives in a store beside the replicas",
    StateDesign.UNKNOWN: "nobody said where the session lives",
    StateDesign.REPLICATED: "in memory, and copied to one backup replica before the answer",
}
BALANCERS: Final[Mapping[Balancer, str]] = {
    Balancer.PLAIN: "round robin: each request goes to the next replica",
    Balancer.STICKY: "a cookie keeps a client on its replica",
    Balancer.CLIENT_IP: "the client's address decides, below layer 7",
    Balancer.AS_FOUND: "whatever stands in front of the service decides",
}
GATES: Final[Mapping[GateName, str]] = {
    GateName.LIVE_AT_FAULT_AT_LEAST: "enough live sessions at the fault",
    GateName.LOST_AT_MOST: "sessions lost in the whole cell, at most",
    GateName.LOST_WITHIN_PREDICTION: "losses lie in the predicted interval",
    GateName.LOST_WITHIN_HOMES: "losses are the sessions whose home was hit",
    GateName.LOST_BEFORE_FAULT_AT_LEAST_SHARE: "share of users who lost a session before the fault, at least",
    GateName.VICTIM_HELD_EQUALS_LOST: "losses equal what the victims' own metrics counted",
    GateName.NO_UNEXPLAINED_LOSS: "every loss has a cause on record",
    GateName.NO_WRONG_STATE: "no session answered with wrong state",
    GateName.DEGRADED_AT_LEAST: "degraded answers told as such, at least",
    GateName.ANSWERED_WITHIN_S: "every answer or refusal within so many seconds",
    GateName.MESSAGES_LOST_AT_MOST: "messages lost on open connections, at most",
    GateName.NO_WRONG_MESSAGE: "no message delivered twice, no chat forgotten",
    GateName.BOOKS_BALANCE: "every reconciliation holds",
    GateName.FIGURE: "a figure of the load keeps to its limit",
}
FAILURES: Final[Mapping[RequestFailure, str]] = {
    RequestFailure.BAD_GATEWAY: "the balancer got no whole answer from a replica",
    RequestFailure.UNAVAILABLE: "the balancer knew no replica, or the service refused for now",
    RequestFailure.GATEWAY_TIMEOUT: "the balancer waited for a replica in vain",
    RequestFailure.SERVER_ERROR: "another answer of 500 and more",
    RequestFailure.TIMEOUT: "no connection or no whole answer in time",
    RequestFailure.RESET: "the connection ended before the whole answer had come",
    RequestFailure.REFUSED: "nobody took the connection",
    RequestFailure.BROKEN: "no way to the service, or an answer that is not HTTP",
}
RECONCILIATIONS: Final[Mapping[str, str]] = {
    "requests": "Requests add up",
    "requests_by_phase": "Requests, by phase",
    "latencies": "Latencies recorded",
    "sessions_at_fault": "Sessions alive at the fault",
    "sessions_by_replica": "Sessions, by replica",
    "losses": "Losses reported",
    "told_lost": "Service and ledger agree",
    "operations": "Operations on the wire",
    "victims_held": "What the victims held",
    "websockets": "WebSockets add up",
}
COUNTED: Final[Mapping[str, str]] = {
    "statefall_sessions_degraded_total": "sessions rebuilt from the database while the store was away",
    "statefall_sessions_handed_over_total": "sessions handed to the store at an end in order",
    "statefall_session_conflicts_total": "copies found older than the store's, and fetched anew",
    "statefall_under_replicated_total": "writes that found no backup to copy them to",
    "statefall_store_errors_total": "calls to the store that failed",
    "statefall_store_refusals_total": "calls not made: breaker open, store full or no connection left",
    "statefall_store_seconds_count": "calls to the store",
    "statefall_database_connections_refused_total": "sessions refused a database connection at the limit",
    "statefall_conversation_exchanges_total": "exchanges of conversations",
    "statefall_websockets_opened_total": "WebSockets opened",
    "statefall_websockets_refused_total": "WebSockets refused at the limit",
    "statefall_websockets_told_lost_total": "WebSockets that told their users of a lost session",
    "statefall_websocket_deliveries_total": "messages sent to WebSockets",
    "statefall_broadcast_messages_total": "messages between replicas",
    "statefall_logins_throttled_total": "logins refused by the throttle",
    "statefall_store_sessions": "sessions in the store, at most",
    "statefall_store_memory_bytes": "memory of the store in bytes, at most",
    "statefall_database_connections": "database connections of sessions on one replica, at most",
    "statefall_websocket_connections": "WebSockets open on one replica, at most",
    "statefall_sessions_backed_up": "copies of others' sessions on one replica, at most",
}
NUMBERS: Final = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number(value: int) -> str:
    """In words up to ten."""
    return NUMBERS[value] if 0 <= value < len(NUMBERS) else f"{value:,}"


def fault_name(kind: str) -> str:
    """The fault as a noun."""
    traits = traits_of(kind)
    return traits.noun if traits else kind


def share(part: int, whole: int) -> str:
    """A percentage without decimals, careful at the ends: never 0% of something, nor 100% but for all."""
    if not whole:
        return "0%"
    percent = round(100 * part / whole)
    if part and not percent:
        return "under 1%"
    return "over 99%" if percent == 100 and part < whole else f"{percent}%"


def predicted(prediction: Prediction) -> str:
    """`28 to 51`, a single number, or a dash where there is no closed form."""
    if prediction.low is None or prediction.high is None:
        return "-"
    return (
        str(prediction.low) if prediction.low == prediction.high else f"{prediction.low} to {prediction.high}"
    )


def causes(cell: Cell) -> str:
    """The causes of the losses at the fault, most frequent first; of those before it where there are none."""
    at_fault = cell.lost_by_cause
    counts = at_fault or cell.lost_before_fault_by_cause
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    when = "" if at_fault else " (before)"
    return ", ".join(f"{CAUSES[cause][0]}{when}" for cause, _ in ordered) or "-"


def seconds(value: float | None, *, digits: int = 1) -> str:
    """With so many decimals, or a dash."""
    return "-" if value is None else f"{value:.{digits}f} s"


def milliseconds(value: float | None) -> str:
    """With two decimals, or a dash."""
    return "-" if value is None else f"{value:.2f} ms"


def hit_ratios(costs: Costs) -> str:
    """Each cache and the percentage of look-ups that it could answer."""
    ratios = costs.cache_hit_ratio.items()
    return ", ".join(f"{cache.replace('_', ' ')} {100 * ratio:.0f}%" for cache, ratio in ratios) or "-"


def overheads(costs: Costs) -> str:
    """What statelessness cost a request, part by part, the dearest first; parts under a microsecond not."""
    parts = sorted(costs.overhead_cpu_ms_per_request.items(), key=lambda item: -item[1])
    return ", ".join(f"{part.replace('_', ' ')} {ms:.3f} ms" for part, ms in parts if ms >= 0.001) or "-"


def failures(cell: Cell) -> str:
    """How requests failed, each kind with its number, or a dash."""
    found = cell.requests.failed_by
    return ", ".join(f"{found[kind]:,} {kind.value}" for kind in RequestFailure if kind in found) or "-"


def kinds(cell: Cell) -> str:
    """The faults of the cell by the names that experiment files use, for example `kill` or `-`."""
    return " + ".join(fault.kind for fault in cell.faults) or "-"


def arm(cell: Cell) -> str:
    """The cell in a phrase, for example `stateful (memory), sticky`; its variant, where it is one."""
    state = "" if cell.service != Service.STATEFUL else f" ({cell.state.value})"
    variant = f", {cell.variant}" if cell.variant else ""
    return f"{cell.service}{state}, {cell.balancer.value}{variant}"


def reason(summary: Summary) -> str:
    """Why the run has its verdict, in one line."""
    reasons = summary.invalid_because or _missed(summary)
    if not reasons:
        return VERDICTS[summary.verdict]
    more = len(reasons) - 1
    return reasons[0] + (f" (and {more} more)" if more else "")


def _missed(summary: Summary) -> tuple[str, ...]:
    """The gates that failed, or else what could not be decided, each with its cell and figure."""
    unclear = tuple(f"{arm(cell)}: {each}" for cell in summary.cells for each in cell.inconclusive_because)
    if summary.verdict is Outcome.INCONCLUSIVE and unclear:
        return unclear
    state = False if summary.verdict is Outcome.FAILED else None
    if summary.verdict not in (Outcome.FAILED, Outcome.INCONCLUSIVE):
        return ()
    return tuple(
        f"{arm(cell)}: {GATES[gate.name]}"
        + ("" if gate.limit is None else f" {gate.limit:g}")
        + f"; {'measured' if gate.passed is False else 'not decided:'} "
        + ("-" if gate.measured is None else f"{gate.measured:g}")
        + f" ({gate.note})"
        for cell in summary.cells
        for gate in cell.gates
        if gate.applies and gate.passed is state
    )


def verdict(summary: Summary) -> str:
    """The run's verdict with its reason in one line."""
    return f"{summary.verdict.value}: {reason(summary)}"
