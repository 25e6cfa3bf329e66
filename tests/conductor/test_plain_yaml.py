"""Files that no hand wrote: each is refused in one line, at once, by whoever reads it."""

from __future__ import annotations

import os
import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from statefall.conductor.documents import read_document
from statefall.conductor.experiment import Experiment, Load, Phases
from statefall.conductor.reading import find, read
from statefall.records.errors import InputError
from statefall.results.advice import Requirements
from tests.conductor.test_reading import MINIMAL, refusal, written

HUGE = "9" * 5000
LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
MERGED_LAUGHS = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 30)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))


@pytest.mark.parametrize("model", [Experiment, Requirements])
@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: " + "[" * 3000, ":1: nested deeper"),
        ("a: " + "[" * 3000 + "]" * 3000, ":1: nested deeper"),
        ("a: " + "{b: " * 3000 + "}" * 3000, ":1: nested deeper"),
        ("- " * 3000, ":1: nested deeper"),
        ("? " * 3000, ":1: nested deeper"),
        (CHAIN, ": nested deeper"),
        (LAUGHS, "keys and values"),
        (MERGED_LAUGHS, "keys and values"),
        ("a: &a\n  b: *a\n", ":1: an alias of what it is part of"),
        ("a: &a {<<: *a}\n", ":1: an alias of what it is part of"),
        ("a: *b\n", ":1: not YAML: found undefined alias"),
        ("1: 2\n", ":1: the key '1' is no text"),
        ("x: 1\non: 2\n", ":2: the key 'on' is no text"),
        ("? [a]\n: 1\n", ":1: a key must be a word"),
        ("? {a: b}\n: 1\n", ":1: a key must be a word"),
        ("x: {a: 1,\n a: 2}\n", ":2: the key 'a' stands twice"),
        ("name: a\nname: b\n", ":2: the key 'name' stands twice"),
        (f"a: {HUGE}\n", ":1: a value that cannot be read"),
        ("a: 2026-13-45\n", ":1: a value that cannot be read"),
        ("a: !!int many\n", ":1: a value that cannot be read"),
        ("a: !!float many\n", ":1: a value that cannot be read"),
        ("a: !!bool maybe\n", ":1: a value that cannot be read"),
        ("a: !!binary é\n", ":1: not YAML"),
        ("a: !!timestamp x\n", ":1: "),
        ("a: !!python/object/apply:os.system [ls]\n", ":1: not YAML"),
        ("a:\n\tb: 1\n", ":2: not YAML"),
        ("a: 1\0\n", "not YAML: "),
        ("a: 1\x1b[31m\n", "not YAML: "),
        ("a: 1\n---\nb: 2\n", ":2: not YAML"),
        ("x: 1\n" * 100_000, "larger than 256 KiB"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_it_is_refused_in_one_line(model: type[BaseModel], text: str, part: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_document(path, model)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert part in said
    assert "\n" not in said
    assert len(said) < 500


def test_a_file_of_100_mb_is_not_read_through(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    assert "larger than 256 KiB" in refusal(path)


@pytest.mark.timeout(30)
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "no regular file" in refusal(find(str(tmp_path / "pipe.yaml")))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert "it is a directory" in refusal(find(str(folder)))


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(InputError, match="File name too long"):
        find("x" * 5000)


def test_an_alias_of_a_hands_size_is_welcome(tmp_path: Path) -> None:
    text = MINIMAL + "variants:\n  a: &a {STATEFALL_X: '1'}\n  b: {<<: *a, STATEFALL_Y: '2'}\n  c: *a\n"
    experiment = read(written(tmp_path, text))
    assert experiment.variants["b"] == {"STATEFALL_X": "1", "STATEFALL_Y": "2"}
    assert experiment.variants["c"] == {"STATEFALL_X": "1"}


@pytest.mark.parametrize(
    "override",
    [
        "load.shoppers=" + "[" * 3000,
        "load={shoppers: 1, shoppers: 2}",
        f"load.shoppers={HUGE}",
        f"load.shoppers={HUGE[:4000]}",
        f"load.think_time_s={HUGE[:4000]}",
        "x." * 3000 + "y=1",
        f"faults.{HUGE}.at_s=1",
        "faults.²=1",
        "faults.0=3",
        "name.x=3",
        "load.shoppers=a\0b",
        "summary=" + "x" * 5000,
        "variants={'a\nb': {}}",
        'variants={"a\\nb": {}}',
        'name="\\uD800"',
        "load.1=2",
        "1=2",
    ],
    ids=lambda value: value[:24],
)
def test_an_override_is_held_to_the_same(override: str, tmp_path: Path) -> None:
    assert len(refusal(written(tmp_path, MINIMAL), override)) < 700


FIGURES = [
    *(f"load.{name}" for name in Load.model_fields if name != "mix"),
    *(f"phases.{name}" for name in Phases.model_fields),
    "deploy.grace_s", "deploy.pre_stop_s", "replicas",
    "faults.0.at_s", "faults.0.count", "faults.0.grace_s", "faults.0.duration_s",
]  # fmt: skip


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e999", "nan", "'NaN'", "'inf'", "1.0e+400"])
@pytest.mark.parametrize("key", FIGURES)
def test_a_figure_of_an_experiment_is_finite(key: str, value: str, tmp_path: Path) -> None:
    text = MINIMAL.replace("kind: kill", "kind: delete")
    assert f"--set {key}={value}: " in refusal(written(tmp_path, text), f"{key}={value}")


@pytest.mark.parametrize("value", [".nan", ".inf", "1.0e+400"])
def test_the_limit_of_a_gate_is_finite(value: str, tmp_path: Path) -> None:
    given = f"gates=[{{gate: lost_at_most, value: {value}}}]"
    assert "gates.0.value: " in refusal(written(tmp_path, MINIMAL), given)


@pytest.mark.parametrize("value", [".nan", ".inf"])
@pytest.mark.parametrize(
    "key", ["concurrent_users", "availability_percent", "deployments_per_month", "team_size"]
)
def test_a_requirement_is_finite(key: str, value: str, tmp_path: Path) -> None:
    given = {"concurrent_users": "5", key: value}
    path = written(tmp_path, "".join(f"{name}: {figure}\n" for name, figure in given.items()))
    with pytest.raises(InputError, match=f"{key}: "):
        read_document(path, Requirements)


PIECES = st.lists(
    st.sampled_from(
        [
            *"[]{}:,-?&*!|>'\"#%@ \n\t",
            "a",
            "1",
            "<<",
            ": ",
            "- ",
            "&a ",
            "*a ",
            "name: ",
            "!!int ",
        ]
    )
    | st.text(string.printable, max_size=3),
    max_size=40,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=PIECES, after=PIECES)
def test_garbage_is_refused_and_never_another_error(
    before: list[str], after: list[str], tmp_path: Path
) -> None:
    path = written(tmp_path, "".join(before) + "\n" + MINIMAL + "".join(after))
    with suppress(InputError):
        read(path)
