"""Puts the page together: the view of the run, the template, its style and script, and plotly.js."""

from __future__ import annotations

import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from statefall.results import wording
from statefall.results.headline import sentences
from statefall.results.judged import JudgedRun
from statefall.results.report.charts import Figure
from statefall.results.report.view import LOSSES_LISTED, LOSSES_SHOWN, MARKS, cell_view
from statefall.results.table import in_order

HERE: Final = Path(__file__).parent
MOST_OPEN: Final = 6
"""With more cells than this each is folded, so that the page stays readable."""


def render(run: JudgedRun) -> str:
    """The whole page as text: equal bytes for equal runs."""
    summary = run.summary
    judged = {each.cell.name: each for each in run.cells}
    views = [cell_view(judged[cell.name]) for cell in in_order(summary.cells)]
    text: str = _template().render(
        summary=summary,
        mark=MARKS[summary.verdict],
        reason=wording.reason(summary),
        headline=sentences(summary),
        cells=views,
        variants=any(cell.variant for cell in summary.cells),
        open_cells=len(views) <= MOST_OPEN,
        losses_shown=LOSSES_SHOWN,
        losses_listed=LOSSES_LISTED,
        wording=wording,
        figures=[(view.anchor, _script_safe(view.figure)) for view in views],
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        plotly=plotly_js(),
    )
    return text


@cache
def plotly_js() -> str:
    """The plotly.js that the installed plotly carries."""
    offline: Any = importlib.import_module("plotly.offline")  # takes a second: only for those who draw
    return str(offline.get_plotlyjs())


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _script_safe(figure: Figure) -> str:
    """JSON that can stand in a script element: no `<` ends it early."""
    text = json.dumps(figure, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return text.replace("<", "\\u003c")
