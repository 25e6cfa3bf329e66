"""`summary.json`: the names that outsiders rely on, and reading it back strictly where it matters."""

import json
from typing import Any

import pytest

from statefall.records.errors import InputError
from statefall.results.judge import judge_run
from statefall.results.model import SCHEMA, Summary
from tests.results.simulation import simulate


def summary() -> Summary:
    run = simulate()
    return judge_run(run.plan, run.events, run.loads).summary


def test_a_summary_survives_the_way_to_text_and_back() -> None:
    found = summary()
    assert Summary.from_json(found.to_json()) == found
    assert Summary.from_json(found.to_json()).to_json() == found.to_json()


def test_the_names_that_outsiders_rely_on_are_there() -> None:
    document = json.loads(summary().to_json())
    assert document["schema"] == SCHEMA == "statefall/summary/v1"
    assert {
        "schema", "run", "experiment", "seed", "cluster", "fingerprint", "valid", "invalid_because",
        "verdict", "cells", "started_at", "duration_s", "plan_sha256", "partial",
    } <= document.keys()  # fmt: skip
    cell = document["cells"][0]
    assert {
        "service", "state", "balancer", "replicas", "repeat", "sessions", "lost_by_cause", "predicted_lost",
        "requests", "throughput_per_s", "latency_ms", "recovery_s", "faults", "gates", "name",
        "sessions_by_phase", "books", "prediction_basis",
    } <= cell.keys()  # fmt: skip
    assert set(cell["sessions"]) == {
        "at_fault", "kept", "lost", "rolled_back", "duplicated", "foreign", "misrouted", "indeterminate",
    }  # fmt: skip
    assert set(cell["predicted_lost"]) == {"low", "expected", "high"}
    assert set(cell["requests"]) == {
        "scheduled",
        "completed",
        "failed",
        "failed_by",
        "dropped",
        "in_flight",
    }
    assert set(cell["latency_ms"]["baseline"]) == {"p50", "p90", "p99", "max"}
    assert {"name", "passed", "measured"} <= cell["gates"][0].keys()
    assert {"name", "holds", "left", "right", "note"} <= cell["books"][0].keys()


def test_a_field_of_a_later_version_is_passed_over() -> None:
    document = json.loads(summary().to_json())
    document["later"] = {"more": 1}
    document["cells"][0]["later"] = [1]
    assert Summary.from_json(json.dumps(document)) == summary()


def _damaged(path: list[Any], value: Any) -> str:
    document = json.loads(summary().to_json())
    place = document
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (["verdict"], None, "`verdict` is missing"),
        (["verdict"], "excellent", "verdict: unexpected str 'excellent'"),
        (["seed"], "one", "seed: unexpected str"),
        (["seed"], True, "seed: unexpected bool"),
        (["cells", 1, "replicas"], 2.5, r"cells\[1\].replicas: unexpected float"),
        (["cells", 0, "sessions"], [], r"cells\[0\].sessions: unexpected list"),
        (["cells", 0, "lost_by_cause"], {"bad luck": 1}, "bad luck"),
        (["fingerprint"], {"cores": 2}, "fingerprint.cores: unexpected int"),
    ],
)
def test_a_damaged_summary_is_refused_by_naming_the_field(path: list[Any], value: Any, named: str) -> None:
    with pytest.raises(InputError, match=named) as refused:
        Summary.from_json(_damaged(path, value), where="old/summary.json")
    assert "old/summary.json" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Summary.from_json(text)
