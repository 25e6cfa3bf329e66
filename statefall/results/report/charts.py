"""The figure of a cell: requests, latency and sessions over time, with phases and faults marked.

Figures are plain data for plotly.js. Colours are the Okabe-Ito palette (safe for colour-blind
readers), and no series is told from another by its colour alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from statefall.records.verdicts import Verdict
from statefall.results.model import Cell
from statefall.results.timeline import CellTimeline
from statefall.results.wording import fault_name

BLUE, VERMILION, GREEN, PURPLE, INK, MUTED = "#0072b2", "#c44900", "#00785a", "#8a4f9e", "#1b2430", "#55606e"
BANDS: Final = ("rgba(27,36,48,0.035)", "rgba(27,36,48,0.0)")
FAULT_BAND: Final = "rgba(230,159,0,0.14)"
STRIPES: Final = {"shape": "/", "size": 4, "fgcolor": "#ffffff", "solidity": 0.2}
LATENCY_TICKS: Final = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000]
SHORTEST_S: Final = 0.5
HEIGHT_PX: Final = 560
NARROW_PHASE: Final = 0.09
"""A phase shorter than this share of the time shown has no room for its name."""

Figure = dict[str, Any]


def cell_figure(cell: Cell, timeline: CellTimeline) -> Figure:
    """Three panels above each other over one time axis: seconds since the start of the load."""
    ticks = timeline.ticks
    x = [_round(tick.at_s - timeline.zero_s) for tick in ticks]
    # The last interval is cut short when the load ends: too short for a rate.
    rates = [_round(t.completed / t.interval_s) if t.interval_s >= SHORTEST_S else None for t in ticks]
    failed = [_round(tick.failed / tick.interval_s) if tick.interval_s else 0.0 for tick in ticks]
    lost_x, lost_y = _losses(timeline)
    data = [
        _line(
            x, rates, "completed requests/s", BLUE, axis="", fill="tozeroy", fillcolor="rgba(0,114,178,0.12)"
        ),
        _bars(x, failed, "failed requests/s", VERMILION),
        _line(x, _latency([tick.service_ms.p50 for tick in ticks]), "median", GREEN, axis="2"),
        _line(
            x,
            _latency([tick.service_ms.p99 for tick in ticks]),
            "99th percentile",
            PURPLE,
            axis="2",
            dash="dot",
        ),
        _line(x, [tick.live_sessions for tick in ticks], "sessions alive", BLUE, axis="3"),
        _line(lost_x, lost_y, "sessions lost, summed up", VERMILION, axis="3", dash="dash", shape="hv"),
    ]
    end = max([*x, _round(timeline.last_s - timeline.zero_s), 1.0])
    return {"data": data, "layout": _layout(cell, timeline, end)}


def describe(cell: Cell, timeline: CellTimeline) -> str:
    """What the figure shows, for those who do not see it."""
    ticks = timeline.ticks
    rates = [tick.completed / tick.interval_s for tick in ticks if tick.interval_s]
    peak = f"{max(rates):.0f} requests per second at most" if rates else "no requests"
    failed = sum(tick.failed for tick in ticks)
    live = [tick.live_sessions for tick in ticks]
    alive = f"between {min(live)} and {max(live)} sessions alive" if live else "no sessions"
    faults = ", ".join(
        f"{fault_name(fault.kind)} at {fault.act_s:.1f} s" for fault in cell.faults if fault.act_s is not None
    )
    return (
        f"Requests, latency and sessions over time: {peak}, {failed} failed, {alive}; "
        f"faults: {faults or 'none'}. The figures stand in the tables below."
    )


def _round(value: float) -> float:
    return round(value, 3)


def _latency(times: Sequence[float | None]) -> list[float | None]:
    """A gap where nothing was completed; a logarithmic axis knows no zero."""
    return [max(time, 0.01) if time else None for time in times]


def _losses(timeline: CellTimeline) -> tuple[list[float], list[int]]:
    """The sum of the sessions lost so far, a point for each tenth of a second with a loss."""
    at = Counter(
        round(loss.at_s - timeline.zero_s, 1) for loss in timeline.losses if loss.verdict is Verdict.LOST
    )
    moments = sorted(at)
    end = _round(timeline.ticks[-1].at_s - timeline.zero_s) if timeline.ticks else 0.0
    sums = list(accumulate(at[moment] for moment in moments))
    x, y = [0.0, *moments], [0, *sums]
    if end > x[-1]:
        x, y = [*x, end], [*y, y[-1]]
    return x, y


def _line(x: Sequence[float], y: Sequence[Any], name: str, colour: str, *, axis: str, **more: Any) -> Figure:
    line = {
        "color": colour,
        "width": 2,
        "dash": more.pop("dash", "solid"),
        "shape": more.pop("shape", "linear"),
    }
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "name": name,
        "line": line,
        "yaxis": f"y{axis}",
        "hovertemplate": "%{y:.4~g}<extra>" + name + "</extra>",
        **more,
    }


def _bars(x: Sequence[float], y: Sequence[float], name: str, colour: str) -> Figure:
    return {
        "type": "bar",
        "x": x,
        "y": y,
        "name": name,
        "marker": {"color": colour, "pattern": {**STRIPES, "bgcolor": colour}},
        "yaxis": "y",
        "hovertemplate": "%{y:.4~g}<extra>" + name + "</extra>",
    }


def _layout(cell: Cell, timeline: CellTimeline, end: float) -> Figure:
    axis = {"gridcolor": "#e6eaef", "zeroline": False, "automargin": True, "fixedrange": True}
    titles = [
        _panel_title("requests/s", 1.0, ("completed (line)", BLUE), ("failed (bars)", VERMILION)),
        _panel_title("service time, ms", 0.64, ("median (solid)", GREEN), ("99% (dotted)", PURPLE)),
        _panel_title("sessions", 0.29, ("alive (solid)", BLUE), ("lost so far (dashed)", VERMILION)),
    ]
    return {
        "height": HEIGHT_PX,
        "margin": {"l": 44, "r": 12, "t": 58, "b": 48},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": INK},
        "hovermode": "x unified",
        "showlegend": False,
        "xaxis": {
            **axis,
            "range": [0, end],
            "title": {"text": "seconds since the start of the load", "standoff": 6},
            "anchor": "y3",
        },
        "yaxis": {**axis, "domain": [0.72, 0.95], "rangemode": "tozero"},
        "yaxis2": {**axis, "domain": [0.37, 0.59], "type": "log", "tickvals": LATENCY_TICKS},
        "yaxis3": {**axis, "domain": [0.0, 0.24], "rangemode": "tozero"},
        "bargap": 0.2,
        "shapes": [*_bands(timeline, end), *_fault_lines(cell)],
        "annotations": [*titles, *_phase_names(timeline, end), *_fault_names(cell, end)],
    }


def _panel_title(text: str, y: float, *series: tuple[str, str]) -> Figure:
    """The title is the legend, too: each series by its colour and its kind of line."""
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": y, "xanchor": "left", "yanchor": "top"}
    named = "".join(f'  <span style="color:{colour}">{name}</span>' for name, colour in series)
    return {
        **place,
        "text": f"<b>{text}</b>{named}",
        "align": "left",
        "showarrow": False,
        "font": {"size": 12, "color": INK},
    }


def _bands(timeline: CellTimeline, end: float) -> list[Figure]:
    shapes = []
    for index, phase in enumerate(timeline.phases):
        x0 = _round((phase.span.start_s or 0.0) - timeline.zero_s)
        x1 = min(_round((phase.span.end_s or 0.0) - timeline.zero_s), end)
        colour = FAULT_BAND if phase.name == "fault" else BANDS[index % 2]
        shapes.append(
            {"type": "rect", "xref": "x", "yref": "paper", "x0": x0, "x1": x1, "y0": 0, "y1": 1,
             "fillcolor": colour, "line": {"width": 0}, "layer": "below"}
        )  # fmt: skip
    return shapes


def _phase_names(timeline: CellTimeline, end: float) -> list[Figure]:
    names = []
    for phase in timeline.phases:
        x0 = (phase.span.start_s or 0.0) - timeline.zero_s
        x1 = min((phase.span.end_s or 0.0) - timeline.zero_s, end)
        if x1 - x0 >= NARROW_PHASE * end:
            names.append(_above(phase.name, _round((x0 + x1) / 2), 1.0, MUTED))
    return names


def _fault_lines(cell: Cell) -> list[Figure]:
    lines = []
    for fault in cell.faults:
        if fault.act_s is not None:
            lines.append(_vertical(fault.act_s, VERMILION, "solid"))
            if fault.recovery_s is not None:
                lines.append(_vertical(fault.act_s + fault.recovery_s, GREEN, "dash"))
    return lines


def _vertical(x: float, colour: str, dash: str) -> Figure:
    line = {"color": colour, "width": 1.5, "dash": dash}
    return {"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line}


def _fault_names(cell: Cell, end: float) -> list[Figure]:
    names = []
    for fault in cell.faults:
        if fault.act_s is not None:
            names.append(_above(f"<b>▼ {fault_name(fault.kind)}</b>", fault.act_s, 1.045, VERMILION))
            if fault.recovery_s is not None and fault.recovery_s > 0.14 * end:
                names.append(_above("recovered", fault.act_s + fault.recovery_s, 1.045, GREEN))
    return names


def _above(text: str, x: float, y: float, colour: str) -> Figure:
    place = {"xref": "x", "yref": "paper", "x": x, "y": y, "xanchor": "center", "yanchor": "bottom"}
    return {**place, "text": text, "showarrow": False, "font": {"size": 11, "color": colour}}
