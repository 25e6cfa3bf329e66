"""The end of a run: judge what the folder holds, and leave summary, latencies and report in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from foundation.verdicts import LoadResult
from results.judge import judge_run
from results.latency import Interval, log_text
from results.model import Summary
from results.plan import RunPlan
from results.reading import read_timeline
from results.record import HISTOGRAMS, REPORT, SUMMARY, write_file
from results.report import render
from results.stored import StoredRun
from results.timeline import CellTimeline, by_cell


def conclude(run_dir: Path, *, partial: str = "") -> Summary:
    """Judge the run and write `summary.json`, `latency.hlog` and `report.html`.

    `partial` says in words why the run ended early (then it is marked invalid). Works on a folder
    that a dead harness left, too. Raises InputError when the folder is no run or is damaged.
    """
    stored = StoredRun(run_dir)
    plan, events, loads = stored.head(), stored.events(), stored.loads()
    summary = judge_run(plan, events, loads, partial=partial)
    timelines = [read_timeline(name, records) for name, records in by_cell(events).items()]
    first_s = min((float(e["monotonic_s"]) for e in events), default=0.0)
    write_file(run_dir / HISTOGRAMS, _log(plan, timelines, loads, first_s))
    write_file(run_dir / SUMMARY, summary.to_json())
    write_file(run_dir / REPORT, render(run_dir))
    return summary


def _log(
    plan: RunPlan, timelines: list[CellTimeline], loads: Mapping[str, LoadResult], first_s: float
) -> str:
    intervals = [
        Interval(
            tag=f"{timeline.name}/{phase.name}",
            start_s=(phase.span.start_s or first_s) - first_s,
            length_s=(phase.span.end_s or first_s) - (phase.span.start_s or first_s),
            encoded=loads[timeline.name].histograms[phase.name],
        )
        for timeline in timelines
        if timeline.name in loads
        for phase in timeline.phases
        if phase.name in loads[timeline.name].histograms
    ]
    return log_text(datetime.fromisoformat(plan.started_at).timestamp(), intervals)
