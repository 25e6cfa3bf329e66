"""JSON schemas of the files that people write and of the summary that a run leaves, for editors."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from statefall.conductor.experiment import Experiment
from statefall.records.verdicts import WRONG_STATE
from statefall.results.model import summary_schema
from statefall.service.file import ServiceSection

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def experiment_schema() -> Schema:
    """Of an experiment file. What depends on several keys at once is not in it: a run says that."""
    schema = Experiment.model_json_schema()
    kinds, properties = schema["$defs"], schema["properties"]
    kinds["FaultValues"] = _without_kind(kinds["Fault"])
    properties["fault_defaults"]["additionalProperties"] = {"$ref": "#/$defs/FaultValues"}
    names = [verdict.value for verdict in WRONG_STATE]
    properties["allow"]["items"] = {"anyOf": [{"$ref": "#/$defs/Allowed"}, {"enum": names}]}
    return _titled(schema, "A Statefall experiment")


def service_schema() -> Schema:
    """Of a service file."""
    return _titled(ServiceSection.model_json_schema(), "A Statefall service under test")


def summary_document_schema() -> Schema:
    """Of `summary.json`."""
    return _titled(json.loads(summary_schema()), "The summary of a Statefall run")


def _without_kind(fault: Schema) -> Schema:
    """A fault whose kind is the key that it stands under."""
    values = copy.deepcopy(fault)
    values["required"] = [key for key in fault.get("required", ()) if key != "kind"]
    return values


def _titled(schema: Schema, title: str) -> Schema:
    return {"$schema": DIALECT, **schema, "title": title}
