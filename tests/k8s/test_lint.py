"""Schema and security lint, by well-kept programs, on what kustomize really makes of every folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.k8s.conftest import FOLDERS, ROOT

OLDEST = "1.30"
"""The first version in which preStop may sleep without a feature gate."""
NEWEST = "1.37"


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_fits_the_schema_of_its_kind(
    folder: str, version: str, written: dict[str, Path], linters: Path
) -> None:
    done = _run(linters / "kubernetes-validate", "--strict", "-k", version, str(written[folder]))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_field_that_does_not_exist_is_found(
    written: dict[str, Path], linters: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(written["base"].read_text().replace("readinessProbe:", "readynessProbe:"))
    done = _run(linters / "kubernetes-validate", "--strict", "-k", NEWEST, str(broken))
    assert done.returncode != 0
    assert "readynessProbe" in done.stdout + done.stderr


def test_the_security_lint_finds_nothing(written: dict[str, Path], linters: Path) -> None:
    done = _checkov(linters, next(iter(written.values())).parent)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_security_lint_would_find_a_privileged_container(
    written: dict[str, Path], linters: Path, tmp_path: Path
) -> None:
    worse = written["base"].read_text().replace("allowPrivilegeEscalation: false", "privileged: true")
    (tmp_path / "worse.yaml").write_text(worse)
    done = _checkov(linters, tmp_path)
    assert done.returncode == 1
    assert "CKV_K8S_16" in done.stdout


def _checkov(linters: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    config = str(ROOT / "k8s" / "checkov.yaml")
    return _run(linters / "checkov", "--config-file", config, "--directory", str(directory))


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT, timeout=200
    )
