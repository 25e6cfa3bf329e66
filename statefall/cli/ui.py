"""`statefall ui [EXPERIMENT]`: a service under load, with a page that shows its sessions."""

from __future__ import annotations

import click

from statefall.cli.up import command as up


@click.command("ui")
@click.argument("experiment", default="default")
@click.option("--replicas", type=click.IntRange(1, 500), help="How many; the experiment says it otherwise.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a value of the file; often."
)
@click.option(
    "--ui-port", type=click.IntRange(1024, 65_535), default=None, help="Of that page; any free one otherwise."
)
@click.pass_context
def command(
    context: click.Context,
    experiment: str,
    *,
    replicas: int | None,
    overrides: tuple[str, ...],
    ui_port: int | None,
) -> None:
    """Bring the service of EXPERIMENT up under load, and serve a page on loopback that shows its sessions.

    The page has a button for each fault. It is `statefall up EXPERIMENT --load --ui`; Ctrl-C ends it.
    """
    context.invoke(
        up,
        experiment=experiment,
        replicas=replicas,
        overrides=overrides,
        with_load=True,
        with_page=True,
        ui_port=ui_port,
    )
