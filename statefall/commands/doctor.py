"""`statefall doctor`: what the chosen cluster needs and whether it is there."""

from __future__ import annotations

import click

from statefall.clusters import ClusterChoice, examine


@click.command("doctor")
@click.option(
    "--cluster", type=click.Choice([c.value for c in ClusterChoice]), default="local", show_default=True
)
def command(*, cluster: str) -> int:
    """Check that a run can work here, and say what is missing. Exit code 2 when something is."""
    missing = False
    for check in examine(ClusterChoice(cluster)):
        missing = missing or not check.fine
        click.echo(f"{'ok     ' if check.fine else 'MISSING'}  {check.name}: {check.words}")
    return 2 if missing else 0
