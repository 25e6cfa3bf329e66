"""The list of runs: newest first, and a damaged or unfinished run does not hide the others."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from statefall.records.errors import InputError
from statefall.results.conclude import conclude
from statefall.results.index import print_runs, runs
from statefall.results.record import SUMMARY
from tests.results.simulation import default_plan, simulate


def record(folder: Path, run: str, started_at: str, *, judged: bool = True) -> Path:
    plan = replace(default_plan(run), started_at=started_at, cells=default_plan().cells[1:2])
    path = simulate(plan, shoppers=10).record(folder)
    if judged:
        conclude(path)
    return path


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    record(tmp_path, "old", "2026-01-01T00:00:00+00:00")
    record(tmp_path, "new", "2026-02-01T00:00:00+00:00")
    found = runs(tmp_path)
    assert [(entry.run, entry.verdict) for entry in found] == [("new", "passed"), ("old", "passed")]
    assert found[0].headline.startswith("One of three replicas was killed")


def test_an_unfinished_run_is_listed_as_such(tmp_path: Path) -> None:
    record(tmp_path, "cut", "2026-01-01T00:00:00+00:00", judged=False)
    assert [(entry.run, entry.verdict, entry.partial) for entry in runs(tmp_path)] == [
        ("cut", "unfinished", True)
    ]


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path) -> None:
    record(tmp_path, "good", "2026-01-01T00:00:00+00:00")
    bad = record(tmp_path, "bad", "2026-01-02T00:00:00+00:00")
    (bad / SUMMARY).write_text("{")
    found = {entry.run: entry.verdict for entry in runs(tmp_path)}
    assert found == {"good": "passed", "bad": "unreadable"}


def test_other_folders_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").write_text("")
    assert runs(tmp_path) == ()
    out = io.StringIO()
    print_runs(tmp_path, stream=out)
    assert out.getvalue() == "no runs yet\n"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        runs(tmp_path / "nowhere")


def test_the_printed_list_names_folder_verdict_and_headline(tmp_path: Path) -> None:
    path = record(tmp_path, "one", "2026-01-01T00:00:00+00:00")
    out = io.StringIO()
    print_runs(tmp_path, stream=out)
    assert str(path) in out.getvalue()
    assert "passed" in out.getvalue()
    assert "lost none" in out.getvalue()
