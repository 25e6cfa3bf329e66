"""Experiment files: what is accepted, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from statefall.conductor.experiment import Experiment
from statefall.conductor.reading import find, read, shipped
from statefall.records.errors import InputError
from statefall.records.faults import FaultKind
from statefall.records.terms import Balancer, Service, StateDesign

MINIMAL = """\
name: small
summary: A small one.
matrix:
  service: [stateful]
faults:
  - kind: kill
    at_s: 1
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(text)
    return path


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        read(path, overrides)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("file", shipped(), ids=lambda file: file.stem)
def test_every_shipped_experiment_is_valid_and_named_like_its_file(file: Path) -> None:
    assert read(file).name == file.stem


def test_the_default_experiment_crosses_both_twins_with_both_balancers() -> None:
    experiment = read(find("default"))
    assert experiment.arms() == (
        (Service.STATELESS, StateDesign.CLIENT),
        (Service.STATEFUL, StateDesign.MEMORY),
    )
    assert experiment.matrix.balancer == (Balancer.PLAIN, Balancer.STICKY)
    assert [fault.kind for fault in experiment.faults] == [FaultKind.KILL]
    assert experiment.load.shoppers >= 90


def test_states_choose_their_twin(tmp_path: Path) -> None:
    text = MINIMAL.replace("service: [stateful]", "state: [client, memory, external]")
    assert read(written(tmp_path, text)).arms() == (
        (Service.STATELESS, StateDesign.CLIENT),
        (Service.STATEFUL, StateDesign.MEMORY),
        (Service.STATEFUL, StateDesign.EXTERNAL),
    )


def test_an_override_replaces_a_value_anywhere(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    changed: Experiment = read(path, ["load.shoppers=7", "faults.0.at_s=2.5", "matrix.balancer=[sticky]"])
    assert changed.load.shoppers == 7
    assert changed.faults[0].at_s == 2.5
    assert changed.matrix.balancer == (Balancer.STICKY,)


@pytest.mark.parametrize("name", ["max_reloads", "patience"])
def test_reloads_are_read_under_their_former_name_too(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, MINIMAL + f"load:\n  {name}: 3\n")
    assert read(path).load.max_reloads == 3
    assert read(written(tmp_path, MINIMAL), [f"load.{name}=0"]).load.max_reloads == 0
    assert f"load.{name}: input should be less than or equal to 10" in refusal(path, f"load.{name}=11")


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_one(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL + "replica: 3\n")
    assert refusal(path) == f"{path}:8: unknown key 'replica' (did you mean 'replicas'?)"


def test_a_bad_value_deep_in_a_list_is_named_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL.replace("kind: kill", "kind: explode"))
    said = refusal(path)
    assert said.startswith(f"{path}:6: faults.0.kind: ")
    assert "'kill'" in said
    assert "not 'explode'" in said


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("replicas=-3", "replicas: input should be greater than or equal to 1, not -3"),
        ("faults.0.at_s=99", "kill at 99 s is later than the run's end, 13 s"),
        ("faults.0.count=4", "kill of 4 pods, but replicas is 3"),
        ("load.shoppers=many", "load.shoppers: "),
        ("load.websocket_share=1.5", "load.websocket_share: input should be less than or equal to 1"),
        ("load={conversation_share: 0.8, orders_share: 0.3}", "together are more than 1"),
        ("load={recommendations_share: 0.8, validations_share: 0.3}", "together are more than 1"),
        ("matrix.variant=[warm]", "matrix.variant: 'warm' is not among the variants (none)"),
        (
            "gates=[{gate: lost_at_most, value: 0, when: {variant: warm}}]",
            "when.variant: 'warm' is not",
        ),
        ("variants={Warm: {}}", "variants.Warm"),
        ("variants={warm: {HOME: x}}", "must begin with STATEFALL_"),
        ("load.shopper=3", "unknown key 'load.shopper' (did you mean 'shoppers'?)"),
        ("matrix.service=[stateful, stateful]", "a value stands twice"),
        ("matrix.state=[client]", "no combination of service and state makes sense"),
        ("deploy.grace_s=0.5", "pre_stop_s must be shorter than grace_s"),
        ("deploy.settings.HOME=x", "must begin with STATEFALL_"),
        ("faults.4.kind=kill", "there is no 4 in it"),
        ("nonsense", "expected KEY=VALUE"),
    ],
)
def test_a_bad_override_is_refused_by_its_own_name(tmp_path: Path, override: str, part: str) -> None:
    said = refusal(written(tmp_path, MINIMAL), override)
    assert part in said
    assert f"--set {override}" in said


def test_broken_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL + "load: [1, 2\n")
    assert refusal(path).startswith(f"{path}:9: not YAML: ")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words"])
def test_a_file_that_is_not_a_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "must be a mapping" in refusal(written(tmp_path, text))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refusal(path)


def test_an_unknown_experiment_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"unknown experiment 'defualt' \(did you mean 'default'\?\)"):
        find("defualt")


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml: no such experiment file"):
        find("nowhere.yaml")
