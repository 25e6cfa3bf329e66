"""`statefall report RUN`: judge and draw a recorded run again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from statefall.results.conclude import conclude
from statefall.results.stored import StoredRun
from statefall.results.table import print_table


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--judge", is_flag=True, help="Judge the record anew, and write summary and report again.")
def command(run: Path, *, judge: bool) -> None:
    """Show the table of RUN (a run's folder) and the path of its report.

    A run that a killed harness left has no summary yet: it is judged now, and marked partial.
    """
    stored = StoredRun(run)
    stored.head()
    if not stored.finished():
        summary = conclude(run, partial="the harness died before the run ended")
    elif judge:
        before = stored.summary()
        summary = conclude(run, partial=before.invalid_because[0] if before.partial else "")
    else:
        summary = stored.summary()
    print_table(summary, stream=sys.stdout)
    click.echo(f"report: {run / 'report.html'}")
