"""A figure of the load in a window of the cell, and the gate that asks for it.

The window is a phase, or the time since a fault. Rates and counts come from the load's seconds (ticks); a
percentile of a whole phase from its histogram, of any other window it is that of its worst second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from statefall.records.events import Tick
from statefall.results.model import GateResult, Latency
from statefall.results.run_head import Bound, Figure, GateRule, Since, Window
from statefall.results.timeline import CellTimeline, FaultLife, Span

_QUANTILES: Final[Mapping[Figure, tuple[Callable[[Tick], float | None], Callable[[Latency], float]]]] = {
    Figure.P50_MS: (lambda tick: tick.service_ms.p50, lambda latency: latency.p50),
    Figure.P90_MS: (lambda tick: tick.service_ms.p90, lambda latency: latency.p90),
    Figure.P99_MS: (lambda tick: tick.service_ms.p99, lambda latency: latency.p99),
    Figure.MAX_MS: (lambda tick: tick.service_ms.max, lambda latency: latency.max),
}


def judge_window(rule: GateRule, timeline: CellTimeline, latency_ms: Mapping[str, Latency]) -> GateResult:
    """The rule, met or not; null where there is nothing to measure."""
    window, limit = rule.window, rule.limit or 0.0
    assert window is not None
    measured = measure(window, timeline, latency_ms)
    reference, wanted = None, limit
    if window.of:
        reference = measure(Window(window.figure, phase=window.of), timeline, latency_ms)
        wanted = limit * reference if reference is not None else limit
    name = f"{window.figure.value} {_where(window)}"
    asked = f"{_BOUNDS[window.bound]} {limit:g}" + (f" of that in {window.of}" if window.of else "")
    if measured is None or (window.of and reference is None):
        missing = _where(window) if measured is None else f"in {window.of}"
        note = f"{window.figure.value}: nothing was measured {missing}"
        return GateResult(rule.name, None, applies=True, measured=None, limit=wanted, note=note)
    margin = wanted - measured if window.bound is Bound.AT_MOST else measured - wanted
    note = f"{name}, {asked}: margin {margin:.4g}"
    return GateResult(
        rule.name, margin >= 0.0, applies=True, measured=round(measured, 4), limit=round(wanted, 4), note=note
    )


_BOUNDS: Final = {Bound.AT_MOST: "at most", Bound.AT_LEAST: "at least"}
_SINCE: Final[Mapping[Since, tuple[str, Callable[[FaultLife], float | None]]]] = {
    Since.ACT: ("the act", lambda fault: fault.act_s),
    Since.OBSERVED: ("the effect", lambda fault: fault.observed_s),
    Since.RECOVERED: ("the recovery", lambda fault: fault.recovered_s),
}


def measure(window: Window, timeline: CellTimeline, latency_ms: Mapping[str, Latency]) -> float | None:
    """The figure in the window; None where it did not come to that, or no second lies in it."""
    quantile = _QUANTILES.get(window.figure)
    if quantile is not None and window.phase:
        found = latency_ms.get(window.phase)
        return quantile[1](found) if found is not None else None
    span = _span(window, timeline)
    ticks = [] if span is None else [tick for tick in timeline.ticks if span.holds(_middle_s(tick))]
    if not ticks:
        return None
    if quantile is not None:
        return max((value for tick in ticks if (value := quantile[0](tick)) is not None), default=None)
    return _counted(window.figure, ticks)


def _counted(figure: Figure, ticks: Sequence[Tick]) -> float | None:
    length_s = sum(tick.interval_s for tick in ticks)
    completed, failed = sum(tick.completed for tick in ticks), sum(tick.failed for tick in ticks)
    match figure:
        case Figure.FAILED:
            return float(failed)
        case Figure.FAILED_SHARE:
            return failed / (completed + failed) if completed + failed else None
        case Figure.LIVE_SESSIONS:
            return float(min(tick.live_sessions for tick in ticks))
        case _:
            return completed / length_s if length_s else None


def _span(window: Window, timeline: CellTimeline) -> Span | None:
    if window.phase:
        return next((phase.span for phase in timeline.phases if phase.name == window.phase), None)
    assert window.since is not None
    moments = [_SINCE[window.since][1](fault) for fault in timeline.faults]
    starts_s = [moment for moment in moments if moment is not None]
    if not starts_s or len(starts_s) < len(moments):
        return None  # a fault that did not come to that
    start_s = max(starts_s)
    return Span(start_s, start_s + window.within_s if window.within_s else None)


def _middle_s(tick: Tick) -> float:
    """A tick is told at its end."""
    return tick.at_s - tick.interval_s / 2.0


def _where(window: Window) -> str:
    if window.phase:
        return f"in {window.phase}"
    assert window.since is not None
    since = _SINCE[window.since][0]
    return f"in the {window.within_s:g} s after {since}" if window.within_s else f"after {since}"
