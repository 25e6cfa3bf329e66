"""One meaning a name: no class name twice, no retired word, and a glossary that agrees with the code."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
MODULES: Final = tuple(sorted((ROOT / "statefall").rglob("*.py")))
NAMED_TWICE: Final = {
    "Shopper": "the plan's, and the Locust user that Locust's own page shows under this name",
}
"""Class names that may stand in more than one module, and why."""
RETIRED: Final = {
    "crew": "coordinator",
    "member": "worker",
    "switchboard": "the coordinator's end of the RPC",
    "extension": "the worker's end of the RPC",
    "visit": "virtual user",
    "premises": "load context",
    "book": "session registry, or reconciliation",
    "household": "connections",
    "silence": "no response",
    "standing": "session state",
    "words": "message, reason, text or evidence",
    "thing": "object",
    "ground": "context",
    "wanderer": "roaming client",
    "patience": "max_reloads, timeout or lag",
    "tenancy": "lease",
    "observer": "informer",
}
KEPT: Final = {"books", "BOOKS_BALANCE"}
"""Keys of summary.json and the gate: outsiders rely on them."""
ROW: Final = re.compile(r"^\| (?P<term>[^|]+) \| (?P<meaning>[^|]+) \| (?P<where>[^|]+) \|$", re.MULTILINE)
GLOSSARY: Final = [
    row for row in ROW.finditer((ROOT / "docs" / "glossary.md").read_text()) if row["term"] != "term"
]


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Every name that a module gives or uses."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.alias(name=name):
                yield name
            case ast.keyword(arg=str(name)):
                yield name


def words_of(name: str) -> set[str]:
    """An identifier's words in lower case, each also without the plural's s."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    found = {part.lower() for part in parts}
    return found | {part.removesuffix("s") for part in found}


def test_no_two_classes_of_different_modules_have_one_name() -> None:
    homes: defaultdict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ClassDef):
                homes[node.name].add(str(module.relative_to(ROOT)))
    twice = {name: sorted(where) for name, where in homes.items() if len(where) > 1}
    assert NAMED_TWICE.keys() <= twice.keys(), "what is allowed and not there has to go from the list"
    assert {name: where for name, where in twice.items() if name not in NAMED_TWICE} == {}


@pytest.mark.parametrize(
    "module",
    MODULES,
    ids=lambda module: str(module.relative_to(ROOT)),
)
def test_no_retired_word_is_used_as_a_name(module: Path) -> None:
    names = {*identifiers(ast.parse(module.read_text())), module.stem} - KEPT
    found = {name: [RETIRED[word] for word in words_of(name) & RETIRED.keys()] for name in names}
    assert {name: instead for name, instead in found.items() if instead} == {}


def test_the_parts_of_a_name_are_found_in_every_case() -> None:
    assert words_of("RealtimeBook") >= {"realtime", "book"}
    assert words_of("_PATIENCE_TICKS") >= {"patience", "tick"}
    assert words_of("members") >= {"member"}
    assert not words_of("remembers") & RETIRED.keys()


def test_the_glossary_has_each_term_once_with_a_sentence() -> None:
    terms = Counter(part.strip() for row in GLOSSARY for part in row["term"].split(","))
    assert [term for term, count in terms.items() if count > 1] == []
    assert [row["term"] for row in GLOSSARY if not row["meaning"].endswith(".")] == []
    assert len(terms) > 100


def test_every_module_that_the_glossary_names_is_there() -> None:
    for row in GLOSSARY:
        for name in re.findall(r"`([\w.]+)`", row["where"]) or [""]:
            path = (ROOT / "loadtests" if name.startswith("shop.") else ROOT).joinpath(*name.split("."))
            assert name, f"{row['term']} has no module"
            assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name


@pytest.mark.parametrize("page", ["README.md", "docs/experiments.md", "docs/commands.md"])
def test_the_glossary_is_linked(page: str) -> None:
    assert "glossary.md" in (ROOT / page).read_text()
