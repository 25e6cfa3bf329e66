"""Ended early, at any moment: nothing runs on, and what was recorded is marked partial."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters.local.directories import CACHE_VARIABLE
from statefall.results.model import Summary
from tests.main_job.conductor import (
    ONE_CELL,
    SHORT,
    SMALL_LOAD,
    SOON,
    Conductor,
    call,
    in_phase,
    overrides,
    run_folder,
    wait_gone,
)

pytestmark = [pytest.mark.shipped, pytest.mark.timeout(600)]
RUN = ("--out", "runs", *overrides(SOON, ONE_CELL, SMALL_LOAD))
WHOLE_RUN = overrides(SHORT, ONE_CELL, SMALL_LOAD)


@pytest.fixture(scope="module", autouse=True)
def cache() -> Iterator[None]:
    """Of the tests' own: whoever comes next to a shared one clears what a killed run left."""
    with tempfile.TemporaryDirectory(prefix="statefall-test-cache-") as folder:
        Path(folder).chmod(0o755)  # every user can enter it, unlike pytest's own folders
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(CACHE_VARIABLE, folder)
            yield


def test_a_signal_ends_the_run_with_a_partial_result(tmp_path: Path) -> None:
    conductor = Conductor.start(*RUN, cwd=tmp_path)
    conductor.until(in_phase("baseline"))
    children = conductor.descendants()
    assert len(children) >= 6  # three replicas, balancer, database and store, and the load
    conductor.process.send_signal(signal.SIGINT)
    code, out, _ = conductor.end()
    assert code == 5
    assert wait_gone(children) == []
    summary = Summary.from_json((run_folder(tmp_path / "runs") / "summary.json").read_bytes())
    assert summary.partial
    assert not summary.valid
    assert "SIGINT" in summary.invalid_because[0]
    assert json.loads(out.splitlines()[-1])["partial"] is True
    assert (run_folder(tmp_path / "runs") / "report.html").is_file()


def test_a_signal_before_anything_runs_leaves_a_partial_run(tmp_path: Path) -> None:
    conductor = Conductor.start(*RUN, cwd=tmp_path)
    conductor.until(lambda line: line["kind"] == "run")
    conductor.process.send_signal(signal.SIGTERM)
    code, _, _ = conductor.end()
    assert code == 5
    summary = Summary.from_json((run_folder(tmp_path / "runs") / "summary.json").read_bytes())
    assert summary.partial
    assert "SIGTERM" in summary.invalid_because[0]


def test_a_killed_conductor_leaves_no_process_and_recover_clears_the_rest(tmp_path: Path) -> None:
    conductor = Conductor.start(*RUN, cwd=tmp_path)
    conductor.until(in_phase("baseline"))
    children = conductor.descendants()
    conductor.process.kill()
    conductor.end()
    assert wait_gone(children) == []
    folder = run_folder(tmp_path / "runs")
    recovered = call("recover", cwd=tmp_path)
    assert recovered.returncode == 0
    assert folder.name in recovered.stdout
    told = call("report", str(folder), cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert Summary.from_json((folder / "summary.json").read_bytes()).partial
    after = call("run", *RUN[:1], "again", *RUN[2:], cwd=tmp_path)
    assert after.returncode == 0, after.stderr


def test_two_runs_side_by_side_do_not_disturb_each_other(tmp_path: Path) -> None:
    both = [Conductor.start("--out", f"runs-{n}", *WHOLE_RUN, cwd=tmp_path) for n in (1, 2)]
    for number, conductor in enumerate(both, start=1):
        code, _, err = conductor.end()
        assert code == 0, err
        summary = Summary.from_json((run_folder(tmp_path / f"runs-{number}") / "summary.json").read_bytes())
        (cell,) = summary.cells
        assert summary.valid
        assert cell.sessions.at_fault == 12
        assert all(book.holds for book in cell.books)
