"""`statefall results`: the recorded runs in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from statefall.cli.run import DEFAULT_OUT
from statefall.results.index import plain_list, print_runs


@click.command("results")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=DEFAULT_OUT,
    show_default=True,
    metavar="DIR",
    help="The folder that runs were recorded in.",
)
def command(*, folder: Path) -> None:
    """List the runs in DIR, the newest first, with their verdicts."""
    if folder == DEFAULT_OUT and not folder.is_dir():
        # The first run makes it.
        click.echo(plain_list(()), nl=False)
        return
    print_runs(folder, stream=sys.stdout)
