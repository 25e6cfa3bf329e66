"""Services that another package brings along under an entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.conductor.adapters import ENTRY_POINTS, file_of, names
from statefall.conductor.reading import read
from statefall.conductor.services import services_of
from statefall.records.errors import EnvironmentUnfit, InputError

MODULE = """
from pathlib import Path
HERE = Path(__file__).parent
def moon():
    return HERE / "moon.yaml"
SUN = str(HERE / "no.yaml")
"""
SERVICE = "name: moon\njourney: walk.py:Walker\nlocal: {command: serve}\n"
EXPERIMENT = "name: e\nsummary: s\nservices: [moon]\nmatrix: {fault: [kill]}\n"


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, in which one offers services."""
    package = tmp_path / "third-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: third\nVersion: 1.0\n")
    points = "moon = third_services:moon\nsun = third_services:SUN\nstar = third_missing:STAR\n"
    (package / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{points}")
    (tmp_path / "third_services.py").write_text(MODULE)
    (tmp_path / "moon.yaml").write_text(SERVICE)
    (tmp_path / "walk.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("third_services", None)


def test_an_experiment_names_the_service_of_another_package(offer: Path, tmp_path: Path) -> None:
    here = tmp_path / "mine"
    here.mkdir()
    (here / "e.yaml").write_text(EXPERIMENT)
    (service,) = services_of(read(here / "e.yaml"), here / "e.yaml")
    assert service.name == "moon"
    assert service.journey == f"{offer / 'walk.py'}:Walker", "its paths start at its own folder"
    assert names() == ["moon", "star", "sun"]


def test_a_file_of_that_name_goes_first(offer: Path, tmp_path: Path) -> None:
    here = tmp_path / "mine"
    here.mkdir()
    (here / "moon").write_text(SERVICE)
    assert file_of("moon", here) == here / "moon"
    assert offer


@pytest.mark.parametrize(("name", "message"), [("sun", "there is no file"), ("star", "cannot be loaded")])
def test_what_cannot_be_used_is_told_with_its_entry_point(offer: Path, name: str, message: str) -> None:
    with pytest.raises(EnvironmentUnfit, match=message) as caught:
        file_of(name, offer)
    assert f"entry point {ENTRY_POINTS}: {name}" in str(caught.value)


def test_a_name_that_leads_nowhere_is_refused_with_those_that_do(offer: Path) -> None:
    with pytest.raises(InputError, match="neither a service file nor a service") as caught:
        file_of("mars", offer)
    assert "moon" in caught.value.hint
