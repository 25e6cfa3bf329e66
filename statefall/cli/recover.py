"""`statefall recover`: clear what a harness that was killed left behind."""

from __future__ import annotations

import click

from statefall.clusters import registry


@click.command("recover")
@click.option(
    "--cluster",
    type=click.Choice(registry.names()),
    default="local",
    show_default=True,
    help="The cluster to be cleared.",
)
def command(*, cluster: str) -> None:
    """Clear what runs left whose harness is dead. Living runs are left alone.

    Locally their processes are ended and their data removed; on Kubernetes what they made is removed, and
    nodes that they cordoned take pods again.
    """
    cleared = registry.entry_of(cluster).load().recover()
    for line in cleared:
        click.echo(line)
    if not cleared:
        click.echo("nothing to recover")
