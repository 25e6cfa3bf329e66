"""The report: `report.html`, one file that works offline, drawn from a run folder alone.

`render` gives equal bytes for equal folders, so that an old run can be drawn again at any time.
"""

from __future__ import annotations

from pathlib import Path

from results.reading import read_timeline
from results.report.page import page
from results.stored import StoredRun
from results.timeline import by_cell


def render(run_dir: Path) -> str:
    """The page for a run. Raises InputError when the folder is no finished run or is damaged."""
    stored = StoredRun(run_dir)
    recorded = by_cell(stored.events())
    timelines = {name: read_timeline(name, events) for name, events in recorded.items()}
    return page(stored.summary(), timelines)
