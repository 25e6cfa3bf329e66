"""The runs in a folder, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from statefall.records.errors import InputError
from statefall.results.headline import headline
from statefall.results.model import Summary
from statefall.results.record import EVENTS, HEAD, SUMMARY
from statefall.results.run_head import RunHead
from statefall.results.stored import StoredRun


@dataclass(frozen=True, slots=True)
class Entry:
    """One run. `verdict` is `unfinished` for a run that was never judged, `unreadable` for a damaged one."""

    path: Path
    run: str
    experiment: str
    cluster: str
    started_at: str
    verdict: str
    partial: bool
    headline: str
    summary: Summary | None = None
    """Of a judged run."""

    def unreadable(self, reason: str) -> Entry:
        """The same run, of which nothing but the reason is shown."""
        return replace(self, verdict="unreadable", partial=True, headline=reason, summary=None)


def runs(folder: Path) -> tuple[Entry, ...]:
    """Every run in the folder, newest first. Raises InputError when there is no such folder."""
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), hint="runs are kept in results/runs")
    found = [_entry(path) for path in folder.iterdir() if _is_run(path)]
    return tuple(sorted(found, key=lambda entry: (entry.started_at, entry.run), reverse=True))


def plain_list(entries: Sequence[Entry]) -> str:
    """The runs as text: two lines each, or one that says there are none."""
    if not entries:
        return "no runs yet\n"
    return "".join(
        f"{entry.started_at:<25}  {entry.verdict:<12}  {entry.path}\n    {entry.headline}\n"
        for entry in entries
    )


def print_runs(folder: Path, *, stream: IO[str]) -> None:
    """Print the runs of a folder. Raises InputError when there is no such folder."""
    stream.write(plain_list(runs(folder)))


def _is_run(path: Path) -> bool:
    return path.is_dir() and any((path / name).is_file() for name in (SUMMARY, HEAD, EVENTS))


def _entry(path: Path) -> Entry:
    stored = StoredRun(path)
    try:
        if not (path / SUMMARY).is_file():
            return _unfinished(path, stored.head())
        summary = stored.summary()
    except InputError as error:
        return Entry(path, path.name, "", "", "", "unreadable", partial=True, headline=str(error))
    return Entry(
        path=path,
        run=summary.run,
        experiment=summary.experiment,
        cluster=summary.cluster,
        started_at=summary.started_at,
        verdict=summary.verdict.value,
        partial=summary.partial,
        headline=headline(summary),
        summary=summary,
    )


def _unfinished(path: Path, plan: RunHead) -> Entry:
    return Entry(
        path=path,
        run=plan.run,
        experiment=plan.experiment,
        cluster=plan.cluster,
        started_at=plan.started_at,
        verdict="unfinished",
        partial=True,
        headline="it ended without a verdict, or is still running",
    )
