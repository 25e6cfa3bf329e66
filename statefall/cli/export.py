"""`statefall export RUN`: a judged run in the formats of other tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from statefall.records.errors import InputError
from statefall.results.export.junit import junit
from statefall.results.export.openmetrics import openmetrics
from statefall.results.export.tables import csv_text, tables
from statefall.results.judge import judge_run
from statefall.results.record import write_file
from statefall.results.stored import StoredRun

FORMATS = ("csv", "junit", "openmetrics")


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    required=True,
    help="May be given often: csv (a file for each table), junit (the gates), openmetrics.",
)
@click.option(
    "-o",
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="The folder that the files are written into.",
)
def command(*, run: Path, formats: tuple[str, ...], folder: Path) -> None:
    """Write RUN (a run's folder) as CSV, JUnit XML or OpenMetrics text."""
    stored = StoredRun(run)
    if run.is_dir() and not stored.finished():
        stored.head()
        raise InputError(
            "not judged yet", where=str(run), hint=f"`statefall report {run}` judges what there is"
        )
    # All is made before anything is written: a damaged record leaves no half of an export.
    made = [file for kind in dict.fromkeys(formats) for file in _files(kind, stored)]
    for name, content in made:
        write_file(folder / name, content)
        click.echo(folder / name)


def _files(kind: str, stored: StoredRun) -> Iterator[tuple[str, str]]:
    """Name and content of each file of a format."""
    summary = stored.summary()
    match kind:
        case "csv":
            judged = judge_run(stored.head(), stored.events(), stored.loads())
            for table in tables(summary, judged.cells):
                yield f"{table.name}.csv", csv_text(table)
        case "junit":
            yield "junit.xml", junit(summary)
        case _:
            yield "metrics.txt", openmetrics(summary, where=str(stored.path))
