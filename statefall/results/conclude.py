"""The end of a run: judge what the folder holds, and leave summary, findings, latencies and report in it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from statefall.codec import event_line
from statefall.results.judge import judge_run
from statefall.results.judged import JudgedRun
from statefall.results.latency import Interval, log_text
from statefall.results.model import Summary
from statefall.results.record import FINDINGS, HISTOGRAMS, REPORT, SUMMARY, write_file
from statefall.results.report import render
from statefall.results.stored import StoredRun


def conclude(run_dir: Path, *, partial: str = "") -> Summary:
    """Judge the run and write `summary.json`, `findings.jsonl`, `latency.hlog` and `report.html`.

    `partial` says in words why the run ended early (then it is marked invalid). Works on a folder
    that a dead harness left, too. Raises InputError when the folder is no run or is damaged.
    """
    stored = StoredRun(run_dir)
    plan, events = stored.head(), stored.events()
    judged = judge_run(plan, events, stored.loads(), partial=partial)
    first_s = min((event.at_s for event in events), default=0.0)
    write_file(run_dir / HISTOGRAMS, _log(judged, first_s))
    write_file(run_dir / FINDINGS, _findings(judged))
    write_file(run_dir / SUMMARY, judged.summary.to_json())
    write_file(run_dir / REPORT, render(judged))
    return judged.summary


def _findings(run: JudgedRun) -> str:
    """Every finding of the ledger as its event has it, and its cause."""
    return "".join(
        event_line(each.loss, cause=each.cause.value, **({"by_time": each.by_time} if each.by_time else {}))
        for cell in run.cells
        for each in cell.losses
    )


def _log(run: JudgedRun, first_s: float) -> str:
    intervals = [
        Interval(
            tag=f"{judged.cell.name}/{phase.name}",
            start_s=(phase.span.start_s or first_s) - first_s,
            length_s=(phase.span.end_s or first_s) - (phase.span.start_s or first_s),
            encoded=judged.load.histograms[phase.name],
        )
        for judged in run.cells
        if judged.load is not None
        for phase in judged.timeline.phases
        if phase.name in judged.load.histograms
    ]
    return log_text(datetime.fromisoformat(run.summary.started_at).timestamp(), intervals)
