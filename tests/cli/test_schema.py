"""The JSON schemas take what ships and what was published, and refuse a wrong key."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from statefall.cli.main import invoke
from statefall.content import EXPERIMENTS, PUBLISHED

ROOT = Path(__file__).parents[2]
OWN = sorted(
    file
    for file in [*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("services/*.yaml")]
    if "journey" in yaml.safe_load(file.read_text())
)
WRITTEN = [*sorted(EXPERIMENTS.glob("*.yaml")), ROOT / "examples" / "first" / "rollout.yaml"]


def schema(of: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the command prints, as a checker."""
    assert invoke(["schema", of]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema_rs.meta.validate(document)
    return jsonschema_rs.validator_for(document)


def found(checker: Any, document: object) -> list[str]:
    return [f"{list(error.instance_path)}: {error.message}" for error in checker.iter_errors(document)]


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.stem)
def test_an_experiment_that_ships_is_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found(schema("experiment", capsys), yaml.safe_load(file.read_text())) == []


@pytest.mark.parametrize("file", OWN, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_service_file_that_ships_is_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found(schema("service", capsys), yaml.safe_load(file.read_text())) == []


def test_every_published_summary_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    checker = schema("summary", capsys)
    summaries = sorted(PUBLISHED.glob("*/summary.json"))
    assert len(summaries) > 13
    for file in summaries:
        assert found(checker, json.loads(file.read_bytes())) == [], file


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shoppers": 60}, "shoppers"),
        ({"load": {"shopers": 60}}, "shopers"),
        ({"replicas": 0}, "0"),
        ({"matrix": {"fault": ["explode"]}}, "explode"),
        ({"fault_defaults": {"pause": {"grace": 1}}}, "grace"),
        ({"allow": ["lost"]}, "lost"),
    ],
)
def test_what_is_wrong_is_marked(
    change: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = copy.deepcopy(yaml.safe_load((EXPERIMENTS / "default.yaml").read_text()))
    (error, *_) = found(schema("experiment", capsys), {**document, **change})
    assert said in error


@pytest.mark.parametrize(
    "change",
    [
        {"allow": ["misrouted"]},
        {"allow": [{"verdict": "foreign", "when": {"balancer": "plain"}}]},
        {"fault_defaults": {"pause": {"duration_s": 2}}},
        {"service": "shop.yaml"},
        {
            "gates": [
                {"gate": "figure", "figure": "p99_ms", "since": "recovered", "within_s": 15, "at_most": 9}
            ]
        },
    ],
)
def test_short_forms_are_taken(change: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    document = yaml.safe_load((EXPERIMENTS / "default.yaml").read_text())
    assert found(schema("experiment", capsys), {**document, **change}) == []


def test_a_command_may_be_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"journey": "a.py:A", "local": {"command": "serve --bind {address}", "environment": {"N": 3}}}
    assert found(schema("service", capsys), document) == []
    document = {"journey": "a.py:A", "local": {"command": ["serve", 8], "environment": {}}}
    assert found(schema("service", capsys), document) == []


def test_keys_are_described_for_who_writes_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["schema", "service"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["properties"]["host"]["description"] == "A Host header other than the URL's."
