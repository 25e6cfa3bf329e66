"""A service that cannot run on this machine is left out, with the reason, and the others run as beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from statefall.conductor.choice import without_lacking
from statefall.conductor.plan import Plan, make_plan
from statefall.conductor.reading import read
from statefall.conductor.services import services_of
from statefall.records.errors import InputError
from statefall.records.service import LeftOut

SERVICE = """
name: {name}
journey: buyer.py:Buyer
local:
  command: [sleep, "1"]
  needs: ["{need}"]
"""
EXPERIMENT = """
name: both
summary: Two services.
services: [one.yaml, two.yaml]
matrix: {balancer: [plain, sticky], fault: [kill, roll]}
"""


def plan(folder: Path, *needs: str) -> Plan:
    (folder / "buyer.py").touch()
    for name, need in zip(("one", "two"), needs, strict=True):
        (folder / f"{name}.yaml").write_text(SERVICE.format(name=name, need=need))
    file = folder / "both.yaml"
    file.write_text(EXPERIMENT)
    asked = read(file)
    return make_plan(asked, seed=1, repeats=1, services=services_of(asked, file), folder=folder)


def test_its_cells_are_taken_out_and_the_others_stay_as_they_were(tmp_path: Path) -> None:
    whole = plan(tmp_path, "sh", "no-such-program")
    left = without_lacking("local", whole, build=False)
    assert left.cells == tuple(cell for cell in whole.cells if cell.service == "one")
    assert [service.name for service in left.services] == ["one"]
    assert left.left_out == (LeftOut("two", "no-such-program is not on the PATH"),)
    assert left.document()["left_out"] == [{"service": "two", "reason": "no-such-program is not on the PATH"}]


def test_a_plan_that_lacks_nothing_is_the_same_plan(tmp_path: Path) -> None:
    whole = plan(tmp_path, "sh", "sh")
    assert without_lacking("local", whole, build=False) is whole
    assert "left_out" not in whole.document()


def test_where_none_is_left_it_is_an_error_with_each_reason(tmp_path: Path) -> None:
    whole = plan(tmp_path, "no-such-program", "python:no_such_package")
    with pytest.raises(InputError, match=r"one: no-such-program is not.*two: the Python package"):
        without_lacking("local", whole, build=False)


def test_a_plan_names_files_as_they_lie_from_its_own(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    told = plan(tmp_path / "elsewhere", "sh", "sh").to_json().decode()
    assert str(tmp_path) not in told
    assert '"journey": "buyer.py:Buyer"' in told
