"""`statefall results`: the recorded runs in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from statefall.cli.run import DEFAULT_OUT
from statefall.results.index import plain_list, print_runs
from statefall.results.index_page import render_index
from statefall.results.record import write_file


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
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write them as one HTML file: losses by combination, over time, and every cell.",
)
def command(*, folder: Path, page: Path | None) -> None:
    """List the runs in DIR, the newest first, with their verdicts."""
    if page is not None:
        _write(folder, page)
        return
    if folder == DEFAULT_OUT and not folder.is_dir():
        # The first run makes it.
        click.echo(plain_list(()), nl=False)
        return
    print_runs(folder, stream=sys.stdout)


def _write(folder: Path, page: Path) -> None:
    text, left_out = render_index(folder, page)
    write_file(page, text)
    for line in left_out:
        click.echo(f"not shown: {line}", err=True)
    click.echo(f"page: {page}")
