"""What a service needs is looked for, what it has to build is built once, and a reason is given."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from statefall.clusters.local.builds import folder_of, lacking
from statefall.clusters.local.directories import cache_directory
from statefall.records.service import LocalReplicas


@pytest.fixture
def local(tmp_path: Path) -> LocalReplicas:
    """Its build writes down that it ran, and makes a file."""
    (tmp_path / "source").write_text("1")
    code = "import sys, pathlib; open('ran', 'a').write('x'); (pathlib.Path(sys.argv[1]) / 'made').touch()"
    return LocalReplicas(
        command=("{built}/made",),
        directory=str(tmp_path),
        build=("{python}", "-c", code, "{built}"),
        built_from=(str(tmp_path / "source"),),
    )


def test_it_is_built_once_and_again_when_its_source_has_changed(local: LocalReplicas, tmp_path: Path) -> None:
    assert [lacking(local, build=True) for _ in range(2)] == ["", ""]
    assert (folder_of(local, cache_directory()) / "made").exists()
    assert (tmp_path / "ran").read_text() == "x"
    (tmp_path / "source").write_text("2")
    assert lacking(local, build=True) == ""
    assert (tmp_path / "ran").read_text() == "xx"


def test_without_being_asked_nothing_is_built(local: LocalReplicas, tmp_path: Path) -> None:
    assert lacking(local, build=False) == ""
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("need", "reason"),
    [
        ("no-such-program", "no-such-program is not on the PATH"),
        ("python:no_such_package", "the Python package no_such_package is not installed"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_built(
    local: LocalReplicas, tmp_path: Path, need: str, reason: str
) -> None:
    assert lacking(replace(local, needs=("sh", "python:json", need)), build=True) == reason
    assert not (tmp_path / "ran").exists()


def test_a_build_that_fails_says_why_and_is_tried_again(local: LocalReplicas, tmp_path: Path) -> None:
    script = tmp_path / "build.py"
    script.write_text("import sys; print('first'); print('Error: no network'); print('last'); sys.exit(3)")
    broken = replace(local, build=(sys.executable, str(script)))
    expected = f"`{sys.executable} {script} ...` failed: exit 3: Error: no network"
    assert [lacking(broken, build=True) for _ in range(2)] == [expected] * 2
    script.write_text("")
    assert lacking(broken, build=True) == ""


def test_a_build_that_cannot_be_started_says_so(local: LocalReplicas) -> None:
    assert "cannot be started: No such file" in lacking(
        replace(local, build=("no-such-program",)), build=True
    )
