"""docs/first-steps.md, word for word: each command that it shows, in its order, in one folder."""

from __future__ import annotations

import re
import shlex
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters.local.directories import CACHE_VARIABLE
from statefall.records.terms import StateDesign
from statefall.results.model import Cell, Outcome, Summary
from tests.main_job.by_hand import Up
from tests.main_job.conductor import call, run_folder
from tests.shipped.documented import ROOT

PAGE = (ROOT / "docs" / "first-steps.md").read_text()
SHOWN = [line[2:].partition("  #")[0].strip() for line in PAGE.splitlines() if line.startswith("$ ")]
DEADLINE_S = 900.0

pytestmark = [pytest.mark.shipped, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module", autouse=True)
def cache() -> Iterator[None]:
    """Of the tests' own: nobody else's `up` is found in it."""
    with tempfile.TemporaryDirectory(prefix="statefall-test-cache-") as folder:
        Path(folder).chmod(0o755)  # every user can enter it, unlike pytest's own folders
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(CACHE_VARIABLE, folder)
            yield


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After the first command."""
    folder = tmp_path_factory.mktemp("first")
    told = shown("new", folder)
    next_two = re.findall(r"^  (statefall \S+ \S+)", told, re.MULTILINE)
    assert next_two == SHOWN[1:3], "the page shows the two commands that it prints"
    return folder


def shown(command: str, folder: Path) -> str:
    """What the page's first command of this name says."""
    words = shlex.split(next(line for line in SHOWN if line.startswith(f"statefall {command}")))[1:]
    done = call(*words, cwd=folder, timeout_s=DEADLINE_S)
    assert done.returncode in ({0, 5} if command == "run" else {0}), done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_first_ends_in_a_true_table_about_an_app_with_sessions_in_memory(desk: Path) -> None:
    table = shown("run", desk)
    assert "report: results/runs/" in table
    summary = Summary.from_json((run_folder(desk / "results" / "runs") / "summary.json").read_bytes())
    cells = {cell.faults[0].kind: cell for cell in summary.cells}
    assert cells.keys() == {"kill", "roll", "scale-in"}
    for cell in cells.values():
        assert (cell.state, cell.sessions.at_fault) == (StateDesign.REPLICA, 60)
    assert_one_replicas_sessions(cells["kill"])
    # A machine that is too busy for the fault's effect to be seen makes a cell invalid, and says so.
    if cells["scale-in"].verdict is not Outcome.INVALID:
        assert_one_replicas_sessions(cells["scale-in"])
    if cells["roll"].verdict is not Outcome.INVALID:
        assert (cells["roll"].sessions.lost, cells["roll"].sessions.kept) == (60, 0)


def assert_one_replicas_sessions(cell: Cell) -> None:
    """Those of one replica of three are lost: more than none, fewer than all, and the rest is kept."""
    assert 0 < cell.sessions.lost < 60
    assert cell.sessions.kept + cell.sessions.lost == 60


def test_the_second_holds_the_app_up_to_be_hit_by_hand(desk: Path) -> None:
    words = shlex.split(SHOWN[2])[2:]
    up = Up.start(*words, cwd=desk).wait()
    try:
        assert shown("fault kill --dry-run", desk).startswith("SIGKILL: 1 of 3 replicas")
        assert "3 replicas are ready" in shown("fault roll", desk)
    finally:
        code, _ = up.end(signal.SIGINT)
    assert code == 0


def test_the_other_folder_that_it_names_works_too(tmp_path: Path) -> None:
    (command,) = re.findall(r"`(statefall new \S+)`", PAGE)
    done = call(*shlex.split(command)[1:], cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "my-shop" / "rollout.yaml").is_file()
