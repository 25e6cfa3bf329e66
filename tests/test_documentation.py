"""The documentation tells the truth about the command line and the experiment files."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from statefall.cli.main import cli
from statefall.conductor.experiment import Deploy, Fault, Load, Matrix, Phases
from statefall.records.faults import FaultKind
from statefall.records.service import PLACEHOLDERS
from statefall.results.model import Cell, GateName, Summary
from statefall.results.table import plain_table
from statefall.service.file import AnsweredBySection, KubernetesSection, LocalSection, ServiceSection

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
YOUR_SERVICE = (ROOT / "docs" / "your-service.md").read_text()
EXPERIMENTS = (ROOT / "docs" / "experiments.md").read_text()


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_and_option_is_documented(name: str) -> None:
    assert re.search(rf"^\| `{name}\b", COMMANDS, re.MULTILINE)
    for parameter in cli.commands[name].params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            assert parameter.opts[0] in COMMANDS


@pytest.mark.parametrize("model", [Matrix, Load, Phases, Fault, Deploy], ids=lambda model: model.__name__)
def test_every_key_of_an_experiment_is_documented(model: type[BaseModel]) -> None:
    for key in model.model_fields:
        assert re.search(rf"\b{key}\b", EXPERIMENTS), key


@pytest.mark.parametrize(
    "model",
    [ServiceSection, LocalSection, KubernetesSection, AnsweredBySection],
    ids=lambda model: model.__name__,
)
def test_every_key_of_a_service_file_is_documented(model: type[BaseModel]) -> None:
    for key in model.model_fields:
        assert re.search(rf"`(\w+\.)?{key}`", YOUR_SERVICE), key


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_every_placeholder_is_documented(placeholder: str) -> None:
    assert f"`{{{placeholder}}}`" in YOUR_SERVICE


@pytest.mark.parametrize("term", [*FaultKind, *GateName])
def test_every_fault_and_gate_is_documented(term: str) -> None:
    assert f"`{term}`" in EXPERIMENTS


@pytest.mark.parametrize(
    "page",
    sorted(
        page
        for pattern in ("*.md", "docs/**/*.md", "k8s/**/*.md", "examples/**/*.md")
        for page in ROOT.glob(pattern)
    ),
)
def test_every_link_to_a_file_of_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    ("page", "run"),
    [
        ("README.md", "default"),
        ("results/published/designs/README.md", "designs"),
        ("results/published/recomputation/README.md", "recomputation"),
        ("docs/kubernetes.md", "seed-7-local"),
        ("docs/kubernetes.md", "seed-7-kubernetes"),
        ("docs/kubernetes.md", "client-ip"),
        ("docs/kubernetes.md", "client-ip-spared"),
        ("results/published/caching/README.md", "caching"),
        ("results/published/connections/README.md", "connections"),
        ("results/published/live/README.md", "live"),
        ("results/published/drain/README.md", "drain"),
        ("results/published/scale-out/README.md", "scale-out"),
        ("results/published/store-outage/README.md", "store-outage"),
        ("results/published/frameworks/README.md", "frameworks"),
    ],
)
def test_the_table_that_is_shown_is_that_of_the_published_record(page: str, run: str) -> None:
    summary = (ROOT / "results" / "published" / run / "summary.json").read_bytes()
    assert plain_table(Summary.from_json(summary)) in (ROOT / page).read_text()


FRAMEWORKS = {
    "flask-cookie": "Flask's signed cookie",
    "starlette-cookie": "Starlette's `SessionMiddleware`",
    "flask-valkey": "Flask-Session in Valkey",
    "django-database": "Django, sessions in the database",
    "django-cached-db": "Django, `cached_db` over the default cache",
    "express-memory": "Express's `MemoryStore`",
    "go-scs": "Go's scs, in memory",
}
COLUMNS = [(balancer, fault) for balancer in ("sticky", "plain") for fault in ("kill", "roll", "scale-in")]


def in_words(cell: Cell) -> str:
    """What became of the sessions of a cell, for a table at a glance."""
    if cell.lost_before_fault:
        return "never worked"
    if cell.sessions.rolled_back:
        return f"{cell.sessions.rolled_back} of {cell.sessions.at_fault} went back"
    return f"{cell.sessions.lost} of {cell.sessions.at_fault}" if cell.sessions.lost else "none"


def test_the_readme_tells_of_the_frameworks_what_was_recorded() -> None:
    recorded = ROOT / "results" / "published" / "frameworks" / "summary.json"
    summary = Summary.from_json(recorded.read_bytes())
    cells = {(cell.service, str(cell.balancer), cell.faults[0].kind): cell for cell in summary.cells}
    assert {service for service, _, _ in cells} == FRAMEWORKS.keys()
    readme = (ROOT / "README.md").read_text()
    for service, title in FRAMEWORKS.items():
        found = [in_words(cells[(service, *column)]) for column in COLUMNS]
        assert f"| {' | '.join((title, *found))} |" in readme


def test_every_statefall_command_in_the_readme_is_one() -> None:
    used = re.findall(r"^\$ statefall (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert used
    assert set(used) <= set(cli.commands)
