"""The report: one offline file that redraws itself from the run folder alone."""

from pathlib import Path

from results.conclude import conclude
from results.record import REPORT
from results.report import render
from tests.results.simulation import simulate


def test_an_old_run_redraws_byte_for_byte(tmp_path: Path) -> None:
    folder = simulate().record(tmp_path)
    conclude(folder)
    assert render(folder) == (folder / REPORT).read_text(encoding="utf-8")
