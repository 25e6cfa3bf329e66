"""`statefall new`: three files that fit together, and none of anybody's is overwritten."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from statefall.cli.main import invoke
from statefall.cli.new import FILES
from statefall.conductor.reading import read
from statefall.conductor.services import services_of
from statefall.records.faults import FaultKind
from statefall.records.terms import StateDesign

ROOT = Path(__file__).resolve().parents[2]


def test_it_writes_what_can_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["new"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in ("app.py", "buyer.py"):
        ast.parse((tmp_path / name).read_text())
    experiment = read(tmp_path / "rollout.yaml")
    (service,) = services_of(experiment, tmp_path / "rollout.yaml")
    assert service.journey == f"{tmp_path / 'buyer.py'}:Buyer"
    assert service.state is StateDesign.REPLICA
    assert experiment.matrix.fault == (FaultKind.KILL, FaultKind.ROLL, FaultKind.SCALE_IN)
    told = re.findall(r"^  (statefall \S+ \S+)", capsys.readouterr().out, re.MULTILINE)
    assert told == ["statefall run rollout.yaml", "statefall up rollout.yaml"]
    page = (ROOT / "docs" / "first-steps.md").read_text()
    assert all(f"$ {command}\n" in page for command in told)


def test_another_folder_is_made_and_named_in_what_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my shops" / "first"
    assert invoke(["new", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert f"statefall run '{folder / 'rollout.yaml'}'" in capsys.readouterr().out


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_ever_overwritten(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("mine")
    assert invoke(["new", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"statefall: {tmp_path / name}: is there already")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert invoke(["new", str(tmp_path / "file" / "folder")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
