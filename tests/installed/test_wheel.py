"""The built wheel brings everything, works where other people's packages are, and takes no common name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from statefall import content
from tests.installed.conftest import ROOT, THEIRS, Installed, somebody_elses
from tests.main_job.conductor import ONE_CELL, SMALL_LOAD, overrides

SHORT = (
    *("phases.warmup_s=1", "phases.baseline_s=1", "phases.fault_s=2", "phases.recovery_s=2"),
    *("load.arrivals_s=0.5", "load.think_time_s=0.2"),
)
COMMON = (*THEIRS, "k8s", "benchmarks", "examples")

pytestmark = pytest.mark.shipped


def test_the_wheel_holds_one_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"statefall"}
    assert "statefall/py.typed" in names
    assert [name for name in names if "__pycache__" in name or "/runs/" in name] == []


def test_the_content_that_is_under_version_control_is_in_it(wheel: Path) -> None:
    folders = ("services", "loadtests", "chaos", "examples", "k8s", "results/published")
    listed = subprocess.run(
        ["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tracked = [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    missing = [name for name in tracked if f"statefall/_content/{name}" not in names]
    # Helm's chart links to the files beside it, and is taken from a checkout.
    assert [name for name in missing if not name.startswith("k8s/chart/")] == []
    assert not [name for name in names if name.startswith("statefall/_content/k8s/chart/")]


def test_only_the_wheels_own_statefall_is_imported(installed: Installed) -> None:
    code = "import statefall, statefall.content as c; print(statefall.__file__); print(c.CONTENT)"
    package, data = installed.call(installed.python, "-c", code).stdout.splitlines()
    assert Path(package).is_relative_to(installed.packages)
    assert Path(data) == installed.packages / "statefall" / "_content"


def test_nothing_of_a_common_name_can_be_imported(installed: Installed, tmp_path: Path) -> None:
    own = {path.name.partition("-")[0] for path in installed.packages.iterdir()}
    assert own == {"statefall", "borrowed.pth"}
    code = f"from importlib.util import find_spec; print([n for n in {COMMON!r} if find_spec(n)])"
    assert installed.call(installed.python, "-c", code, cwd=tmp_path).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--version",), "statefall 0.1.0"),
        (("--help",), "Count what your users lose"),
        (("doctor",), "ok       balancer"),
        (("results",), "no runs yet"),
        (("run", "drain", "--plan"), '"name": "drain"'),
        (("recover",), ""),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_command_works(installed: Installed, arguments: tuple[str, ...], part: str) -> None:
    done = installed.statefall(*arguments)
    assert done.returncode == 0, done.stderr
    assert part in done.stdout
    assert done.stderr == ""


def test_advice_cites_the_published_records(installed: Installed) -> None:
    (installed.here / "needs.yaml").write_text("concurrent_users: 20000\n")
    done = installed.statefall("advise", "needs.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["measured"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["installed", "beside"])
def test_a_run_passes_beside_somebody_elses_packages(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place = replace(request.getfixturevalue(kind), here=somebody_elses(tmp_path / "another project"))
    before = sorted(path.name for path in place.here.iterdir())
    done = place.statefall("run", *overrides(ONE_CELL, SMALL_LOAD, SHORT))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (folder,) = (place.here / "results" / "runs").iterdir()
    assert (folder / "report.html").is_file()
    assert sorted(path.name for path in place.here.iterdir()) == before
    assert folder.name in place.statefall("results").stdout
    assert place.statefall("report", str(folder)).returncode == 0


def test_results_of_their_own_that_are_a_file_are_named_in_one_line(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "results").write_text("ours\n")
    statefall = str(installed.programs / "statefall")
    listed = installed.call(statefall, "results", cwd=tmp_path)
    assert (listed.returncode, listed.stdout) == (0, "no runs yet\n")
    refused = installed.call(statefall, "run", cwd=tmp_path)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("statefall: results/runs: ")
    assert "--out" in line
    assert (tmp_path / "results").read_text() == "ours\n"


def test_a_folder_that_cannot_be_written_is_told_in_one_line(installed: Installed, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    # Root may write everywhere but where the kernel itself takes no files.
    cwd = Path("/proc") if os.geteuid() == 0 else closed
    refused = installed.call(str(installed.programs / "statefall"), "run", cwd=cwd)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("statefall: results/runs: ")
    assert "--out" in line


@pytest.mark.parametrize(("line", "fine"), [("x: str = str(error)", True), ("x: int = error.code", False)])
def test_a_users_code_is_type_checked_against_it(
    installed: Installed, tmp_path: Path, line: str, fine: bool
) -> None:
    (tmp_path / "theirs.py").write_text(
        f"from statefall.records.errors import InputError\n\nerror = InputError('no', where='here')\n{line}\n"
    )
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", installed.python)
    done = installed.call(*mypy, "--cache-dir", str(tmp_path / "cache"), "theirs.py", cwd=tmp_path)
    assert (done.returncode == 0) is fine, done.stdout
    assert "py.typed" not in done.stdout


def test_content_of_the_checkout_is_read_in_the_checkout() -> None:
    assert content.CONTENT == ROOT
