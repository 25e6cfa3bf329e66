"""`statefall results`: the recorded runs in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from statefall.cli.run import DEFAULT_OUT
from statefall.records.errors import InputError
from statefall.results.index import plain_list, print_runs, runs
from statefall.results.overview.page import INDEX, render_overview
from statefall.results.overview.shares import found_in
from statefall.results.record import write_file


@click.command("results")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="The same as FOLDER, by the name that it has for `run`.",
)
@click.option("--page", is_flag=True, help="Write index.html into the folder: all its runs on one page.")
def command(*, folder: Path | None, out: Path | None, page: bool) -> None:
    """List the runs in FOLDER (results/runs), the newest first, with their verdicts."""
    if folder is not None and out is not None:
        raise InputError("a folder and --out name two places", hint="give one of them")
    chosen = folder or out or DEFAULT_OUT
    if page:
        _write_page(chosen)
        return
    if chosen == DEFAULT_OUT and not chosen.is_dir():
        # The first run makes it.
        click.echo(plain_list(()), nl=False)
        return
    print_runs(chosen, stream=sys.stdout)


def _write_page(folder: Path) -> None:
    """Raises InputError when there is no such folder. What cannot be shown is told in a line each."""
    entries = runs(folder)
    for entry in found_in(entries).unread:
        click.echo(f"{entry.path.name}: not shown: {' '.join(entry.headline.split())}", err=True)
    write_file(folder / INDEX, render_overview(entries, folder.resolve()))
    click.echo(f"page: {folder / INDEX}")
