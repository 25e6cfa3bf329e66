"""Rooms hand each other dataclasses: none reads or writes a record by string keys."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from statefall.records.events import KINDS

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "statefall").rglob("*.py"), *(ROOT / "loadtests").rglob("*.py")])
PLAIN_DATA = {
    "statefall/codec.py": "the edge itself: records to JSON and back",
    "statefall/clusters/kubernetes": "objects as the API server has them",
    "statefall/clusters/local/directories.py": "what an earlier run left, as JSON",
    "statefall/clusters/local/recovery.py": "what a dead harness left, as JSON",
    "statefall/clusters/local/routing.py": "the configuration of Traefik",
    "statefall/clusters/local/traefik.py": "the configuration of Traefik",
    "statefall/conductor/comparability.py": "the plan.json of a run, of old ones too",
    "statefall/conductor/documents.py": "an experiment as a person wrote it",
    "statefall/conductor/experiment.py": "an experiment as a person wrote it",
    "statefall/conductor/live": "figures on their way to the page's script",
    "statefall/conductor/plan.py": "a plan on its way to plan.json",
    "statefall/conductor/progress.py": "lines for machines",
    "loadtests/shop/ledger/answer.py": "the JSON of an answer",
    "loadtests/shop/ledger/connections.py": "the JSON of a message",
    "loadtests/shop/client.py": "the JSON of a request",
    "loadtests/shop/live.py": "the frames of a WebSocket",
    "loadtests/shop/live_client.py": "the frames of a WebSocket",
    "statefall/ledger/history": "the lines of a history, as JSON",
    "statefall/load/journey/locust_client.py": "the options of a request, as Locust's clients take them",
    "statefall/load/wire.py": "the headers of an answer",
    "statefall/results/compare/text.py": "a comparison on its way to `--json`",
    "statefall/results/measured.py": "measurements on their way to `advise --json`",
    "statefall/service/scrape.py": "the labels of a metric",
}
"""Where data has no type of ours, and why."""
NAMES = {field.name for kind in KINDS.values() for field in fields(kind)} | {"kind", "monotonic_s", "wall_s"}


def typed(file: Path) -> bool:
    name = file.relative_to(ROOT).as_posix()
    return not any(name == edge or name.startswith(f"{edge}/") for edge in PLAIN_DATA)


def keys(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every literal by which something is looked up: `x["key"]`, `x.get("key")` and `"key" in x`."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                yield node.lineno, key
            case ast.Call(func=ast.Attribute(attr="get" | "pop"), args=[ast.Constant(value=str(key)), *_]):
                yield node.lineno, key
            case ast.Compare(left=ast.Constant(value=str(key)), ops=[ast.In() | ast.NotIn()]):
                yield node.lineno, key


def signatures(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What functions take and return."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                if argument.annotation is not None:
                    yield node.lineno, ast.unparse(argument.annotation)
            if node.returns is not None:
                yield node.lineno, ast.unparse(node.returns)


def trespasses(source: str) -> list[str]:
    """The lines of a source that treat a record as a dictionary."""
    tree = ast.parse(source)
    return [f"line {n}: by the key {key!r}" for n, key in keys(tree) if key in NAMES] + [
        f"line {n}: {words}"
        for n, words in signatures(tree)
        if "dict[str, Any]" in words or "Mapping[str, Any]" in words
    ]


@pytest.mark.parametrize("file", [f for f in FILES if typed(f)], ids=lambda f: f.relative_to(ROOT).as_posix())
def test_no_room_treats_a_record_as_a_dictionary(file: Path) -> None:
    assert trespasses(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("edge", PLAIN_DATA)
def test_every_exception_is_there_and_needed(edge: str) -> None:
    files = [file for file in FILES if file.relative_to(ROOT).as_posix().startswith(edge)]
    assert any(trespasses(file.read_text(encoding="utf-8")) for file in files)


@pytest.mark.parametrize(
    "source",
    [
        'event["kind"]',
        'record["home"]["since_s"] += 1',
        'event.get("cell")',
        '"home" in record',
        "def merge(marks: list[dict[str, Any]]) -> None: ...",
        "def mark(self) -> dict[str, Any]: ...",
    ],
)
def test_a_dictionary_would_be_seen(source: str) -> None:
    assert trespasses(source)
