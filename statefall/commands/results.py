"""`statefall results`: the recorded runs in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from results.index import print_runs
from statefall.commands.run import DEFAULT_OUT


@click.command("results")
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), default=DEFAULT_OUT, show_default=True, metavar="DIR"
)
def command(*, folder: Path) -> None:
    """List the runs in DIR, the newest first, with their verdicts."""
    print_runs(folder, stream=sys.stdout)
