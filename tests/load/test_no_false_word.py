"""The short form of `python -m benchmarks.false_word`: a healthy service is accused of nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_healthy_service_is_accused_of_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.false_word", "--seconds", "3", "--shoppers", "10"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "measured.json").read_text())
    assert json.loads(done.stdout) == measured
    assert measured["findings"] == []
    assert measured["generator_faults"] == []
    assert measured["sessions"] == measured["sessions_by_history"] == {"kept": 10}
