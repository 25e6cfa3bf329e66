"""Schema and security lint, by well-kept programs, on what kustomize really makes of every folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.k8s.conftest import ROOT

pytestmark = pytest.mark.shipped  # the linters are an environment of their own, which takes long to install

OLDEST = "1.30"
"""The first version in which preStop may sleep without a feature gate."""
NEWEST = "1.37"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_fits_the_schema_of_its_kind(
    version: str, written: dict[str, Path], linters: Path
) -> None:
    done = _validate(linters, version, *written.values())
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(str(file) in done.stdout for file in written.values())


def test_a_field_that_does_not_exist_is_found_in_whichever_file_it_stands(
    written: dict[str, Path], linters: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(written["base"].read_text().replace("readinessProbe:", "readynessProbe:"))
    done = _validate(linters, NEWEST, written["base"], broken, written["load"])
    assert done.returncode != 0
    assert "readynessProbe" in done.stdout + done.stderr


WORSE = "worse.yaml"


@pytest.fixture(scope="module")
def found(
    written: dict[str, Path], linters: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, set[str]]:
    """File -> the checks of the security lint that it fails; `WORSE` has privileged containers."""
    directory = tmp_path_factory.mktemp("linted")
    for file in written.values():
        shutil.copy(file, directory)
    worse = written["base"].read_text().replace("allowPrivilegeEscalation: false", "privileged: true")
    (directory / WORSE).write_text(worse)
    config = str(ROOT / "k8s" / "checkov.yaml")
    command = (linters / "checkov", "--config-file", config, "--directory", str(directory), "-o", "json")
    done = _run(*command)
    assert done.returncode == 1, done.stdout + done.stderr
    failed: dict[str, set[str]] = {}
    for check in json.loads(done.stdout)["results"]["failed_checks"]:
        failed.setdefault(Path(check["file_path"]).name, set()).add(check["check_id"])
    return failed


def test_the_security_lint_finds_nothing(found: dict[str, set[str]]) -> None:
    assert {file: checks for file, checks in found.items() if file != WORSE} == {}


def test_the_security_lint_would_find_a_privileged_container(found: dict[str, set[str]]) -> None:
    assert "CKV_K8S_16" in found[WORSE]


def _validate(linters: Path, version: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return _run(linters / "kubernetes-validate", "--strict", "-k", version, *files)


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT, timeout=200
    )
