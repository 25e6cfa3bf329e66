"""A load process that dies: its cell is invalid and says why, and the other cells run."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from statefall.results.model import Outcome, Summary
from tests.main_job.conductor import (
    ONE_CELL,
    SHORT,
    SMALL_LOAD,
    Conductor,
    call,
    in_phase,
    overrides,
    run_folder,
)

pytestmark = pytest.mark.shipped

TWO_CELLS = ("matrix.service=[stateless, stateful]", "matrix.balancer=[sticky]")

ENDED = "its process ended: signal 9, not sent by this harness"


def load_processes(conductor: Conductor) -> list[psutil.Process]:
    """Those of the load generator, first the one that the conductor asks."""
    return [process for process in conductor.descendants() if "statefall.load.main" in process.cmdline()]


def test_the_only_load_process_is_named_and_costs_its_cell_alone(tmp_path: Path) -> None:
    conductor = Conductor.start("--out", "runs", *overrides(SHORT, TWO_CELLS, SMALL_LOAD), cwd=tmp_path)
    conductor.until(in_phase("baseline"))
    (load,) = load_processes(conductor)
    load.kill()
    lost = conductor.until(lambda line: line["kind"] == "load_lost")
    assert lost["reason"] == ENDED
    code, out, err = conductor.end()
    assert code == 5, err
    assert json.loads(out.splitlines()[-1])["verdict"] == "invalid"
    folder = run_folder(tmp_path / "runs")
    summary = Summary.from_json((folder / "summary.json").read_bytes())
    hit, spared = sorted(summary.cells, key=lambda cell: cell.name != lost["cell"])
    assert not summary.partial
    assert not summary.valid
    assert summary.invalid_because[0] == f"{hit.name}: load generator: {ENDED}"
    assert (hit.verdict, spared.verdict) == (Outcome.INVALID, Outcome.PASSED)
    assert hit.requests.completed > 0
    assert spared.invalid_because == ()
    assert (folder / "cluster" / "logs" / "load.log").is_file()
    before = {name: (folder / name).read_bytes() for name in ("summary.json", "report.html", "latency.hlog")}
    assert call("report", "--judge", str(folder), cwd=tmp_path).returncode == 0
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_one_of_two_workers_is_named_and_its_cell_goes_on(tmp_path: Path) -> None:
    workers = ("load.workers=2",)
    conductor = Conductor.start(
        "--out", "runs", *overrides(SHORT, ONE_CELL, SMALL_LOAD, workers), cwd=tmp_path
    )
    conductor.until(in_phase("baseline"))
    _, victim, _ = load_processes(conductor)
    victim.kill()
    code, _, err = conductor.end()
    assert code == 5, err
    summary = Summary.from_json((run_folder(tmp_path / "runs") / "summary.json").read_bytes())
    (cell,) = summary.cells
    reason = summary.invalid_because[0]
    assert reason.startswith(f"{cell.name}: load generator: load worker ")
    assert reason.endswith("was lost: its process ended with code -9")
    assert cell.books
    assert not summary.partial
