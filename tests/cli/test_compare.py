"""`statefall compare`: its exit codes, its outputs, and the workflow of the documentation."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from statefall.cli.main import invoke
from statefall.content import PUBLISHED
from statefall.results.model import Outcome
from statefall.results.stored import StoredRun

DEFAULT = PUBLISHED / "default"
OTHER = PUBLISHED / "seed-7-local"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "compare.md"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The other record, with every session of a stateless cell lost."""
    path = tmp_path / "changed"
    path.mkdir()
    summary = StoredRun(OTHER).summary()
    cells = [
        replace(cell, sessions=replace(cell.sessions, kept=0, lost=cell.sessions.at_fault))
        if cell.service == "stateless"
        else cell
        for cell in summary.cells
    ]
    (path / "summary.json").write_text(replace(summary, cells=tuple(cells)).to_json())
    shutil.copy(OTHER / "plan.json", path)
    return path


def test_the_documented_comparisons_say_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["compare", str(DEFAULT), str(OTHER)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("No regression: ")
    shown = re.search(r"^```\n(No regression.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert shown[1] == said
    designs = str(PUBLISHED / "designs")
    assert invoke(["compare", designs, designs, "--anyway"]) == 0


def test_a_regression_ends_with_4(changed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["compare", str(DEFAULT), str(changed)]) == 4
    assert "2 figures got worse beyond the noise." in capsys.readouterr().out
    assert invoke(["compare", str(changed), str(DEFAULT / "summary.json")]) == 0


def test_what_is_unsound_ends_with_5(
    tmp_path: Path, changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = StoredRun(OTHER).summary()
    cells = (replace(summary.cells[0], verdict=Outcome.INVALID, invalid_because=("no load",)),)
    path = tmp_path / "unsound" / "summary.json"
    path.parent.mkdir()
    path.write_text(replace(summary, cells=(*cells, *summary.cells[1:])).to_json())
    shutil.copy(OTHER / "plan.json", path.parent)
    assert invoke(["compare", str(DEFAULT), str(path)]) == 5
    assert "after: invalid: no load" in capsys.readouterr().out


def test_other_plans_are_refused_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    client = str(PUBLISHED / "client-ip")
    assert invoke(["compare", str(DEFAULT), client]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1].endswith("did not ask the same (--anyway compares what they share)")
    assert "only before: " in said.err
    assert invoke(["compare", str(DEFAULT), client, "--anyway"]) == 5


@pytest.mark.parametrize("content", [None, "{", "{}", '{"schema": 1}', "\x00"])
def test_a_damaged_side_costs_one_line(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    assert invoke(["compare", str(DEFAULT), str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_run_that_was_never_judged_is_told_how_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(DEFAULT / "run.json", tmp_path)
    assert invoke(["compare", str(tmp_path), str(DEFAULT)]) == 2
    assert "statefall report" in capsys.readouterr().err


def test_outputs_for_programs_are_alone_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "deep" / "page.html"
    assert invoke(["compare", str(DEFAULT), str(OTHER), "--json", "--page", str(page)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["regressions"] == []
    assert said.err == f"page: {page}\n"
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert invoke(["compare", str(DEFAULT), str(OTHER), "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("### No regression")
    assert invoke(["compare", str(DEFAULT), str(OTHER), "--markdown", "--json"]) == 2


# -- the workflow -------------------------------------------------------------------------------------


@pytest.fixture
def workflow() -> dict[str, Any]:
    found = re.findall(r"^```yaml\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    (text,) = [each for each in found if "jobs:" in each]
    document: dict[str, Any] = yaml.safe_load(text)
    return document


@pytest.mark.parametrize(("after", "code"), [("other", 0), ("changed", 4)])
def test_the_commands_of_the_workflow_work(
    tmp_path: Path, workflow: dict[str, Any], changed: Path, after: str, code: int
) -> None:
    """Its own shell commands, with recorded runs in place of new ones; it installs nothing."""
    steps = {
        step.get("name", ""): step["run"] for step in workflow["jobs"]["compare"]["steps"] if "run" in step
    }
    desk = tmp_path / "desk"
    for name in ("base", "head", "bin"):
        (desk / name).mkdir(parents=True)
    source = {"base": DEFAULT, "head": OTHER if after == "other" else changed}
    stub = desk / "bin" / "statefall"
    real = shutil.which("statefall") or str(Path(sys.executable).parent / "statefall")
    stub.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" != run ]; then exec {real} "$@"; fi\n'
        'test "$2 $3 $4 $5" = "rollout.yaml --repeats 5 --out" || exit 2\n'
        f'case "$6" in */base) from={source["base"]} ;; *) from={source["head"]} ;; esac\n'
        'mkdir -p "$6" && cp -r "$from" "$6/a-run" && exit 3\n'
    )
    stub.chmod(0o755)
    environment = {"PATH": f"{stub.parent}:/usr/bin:/bin", "GITHUB_STEP_SUMMARY": str(desk / "summary.md")}
    for name, expected in (("Run both", 0), ("Compare", code)):
        shell = ["bash", "-e", "-o", "pipefail", "-c", steps[name]]
        done = subprocess.run(
            shell, cwd=desk, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == expected, done.stderr
    assert (desk / "summary.md").read_text().startswith("### ")
