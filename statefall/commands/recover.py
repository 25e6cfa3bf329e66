"""`statefall recover`: clear what a harness that was killed left behind."""

from __future__ import annotations

import click

from statefall.clusters import ClusterChoice, recover_all


@click.command("recover")
@click.option(
    "--cluster", type=click.Choice([c.value for c in ClusterChoice]), default="local", show_default=True
)
def command(*, cluster: str) -> None:
    """End processes and remove data of runs whose harness is dead. Living runs are left alone."""
    cleared = recover_all(ClusterChoice(cluster))
    for line in cleared:
        click.echo(line)
    if not cleared:
        click.echo("nothing to recover")
