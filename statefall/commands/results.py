"""`statefall results`: the recorded runs in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from results.index import list_runs
from statefall.commands.run import DEFAULT_OUT


@click.command("results")
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), default=DEFAULT_OUT, show_default=True, metavar="DIR"
)
def command(*, folder: Path) -> None:
    """List the runs in DIR, the newest first, with their verdicts."""
    for line in list_runs(folder):
        click.echo(line)
