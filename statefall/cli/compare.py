"""`statefall compare BEFORE AFTER`: what changed between runs of one experiment, beyond the noise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from statefall.conductor.comparability import differences
from statefall.records.errors import InputError
from statefall.results.compare import text
from statefall.results.compare.changes import Comparison, compare
from statefall.results.compare.page import render_comparison
from statefall.results.compare.sides import Side, open_side
from statefall.results.record import write_file

REGRESSION = 4
NOT_COMPARED = 5


@click.command("compare")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--anyway", is_flag=True, help="Compare runs that did not ask the same.")
@click.option("--all", "everything", is_flag=True, help="Show every figure, also those that did not change.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--page", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write one HTML file."
)
def command(
    *,
    before: Path,
    after: tuple[Path, ...],
    anyway: bool,
    everything: bool,
    markdown: bool,
    as_json: bool,
    page: Path | None,
) -> int:
    """Hold each AFTER against BEFORE: folders of runs, or their summary.json.

    Exit code 4 when something got worse beyond the noise, 5 when something could not be compared.
    """
    if markdown and as_json:
        raise InputError("--markdown and --json ask for two outputs", hint="give one of them")
    sides = [open_side(path) for path in (before, *after)]
    if not anyway:
        _refuse_what_differs(sides)
    found = compare(sides)
    if as_json:
        click.echo(json.dumps(text.document(found), indent=1, allow_nan=False))
    elif markdown:
        click.echo(text.markdown(found, everything=everything), nl=False)
    else:
        click.echo(text.plain(found, everything=everything), nl=False)
    if page is not None:
        write_file(page, render_comparison(found))
        click.echo(f"page: {page}", err=as_json or markdown)
    return _exit_code(found)


def _refuse_what_differs(sides: Sequence[Side]) -> None:
    """Raises InputError, having told what differs in a line each."""
    first = sides[0]
    for side in sides[1:]:
        lines = differences(first, side)
        for line in lines:
            click.echo(line, err=True)
        if lines:
            raise InputError(
                f"{first.path} and {side.path} did not ask the same", hint="--anyway compares what they share"
            )


def _exit_code(found: Comparison) -> int:
    if found.regressions:
        return REGRESSION
    return NOT_COMPARED if found.refused else 0
