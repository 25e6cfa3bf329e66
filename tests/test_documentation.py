"""The documentation tells the truth about the command line and the experiment files."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from chaos.faults import FaultKind
from results.model import GateName, Summary
from results.table import plain_table
from statefall.cli import cli
from statefall.experiment import Deploy, Fault, Load, Matrix, Phases

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
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


@pytest.mark.parametrize("term", [*FaultKind, *GateName])
def test_every_fault_and_gate_is_documented(term: str) -> None:
    assert f"`{term}`" in EXPERIMENTS


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("k8s/**/*.md")])
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
    ],
)
def test_the_table_that_is_shown_is_that_of_the_published_record(page: str, run: str) -> None:
    summary = (ROOT / "results" / "published" / run / "summary.json").read_bytes()
    assert plain_table(Summary.from_json(summary)) in (ROOT / page).read_text()


def test_every_statefall_command_in_the_readme_is_one() -> None:
    used = re.findall(r"^\$ statefall (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert used
    assert set(used) <= set(cli.commands)
