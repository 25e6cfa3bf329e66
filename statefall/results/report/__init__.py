"""The report: `report.html`, one file that works offline, drawn from a run as it was judged.

It judges nothing itself: `render` gives equal bytes for equal runs, so that an old one can be drawn
again at any time.
"""

from __future__ import annotations

from statefall.results.report.page import render as render
