"""`statefall up [EXPERIMENT]`: a service under test, to be looked at and hit by hand."""

from __future__ import annotations

from pathlib import Path

import click

from statefall.cli.run import ports_of
from statefall.conductor.choice import open_cluster, refuse_unfit, without_lacking
from statefall.conductor.held_page import HeldPage
from statefall.conductor.journeys import refuse_bad_journeys
from statefall.conductor.one_cell import Chosen, plan_of_one
from statefall.conductor.reading import find
from statefall.conductor.up import UpAddresses, hold_up
from statefall.records.cells import PlannedCell
from statefall.records.clock import system_clock
from statefall.records.terms import Balancer

DEFAULT_OUT = Path("results") / "up"
LOCAL = "local"


@click.command("up")
@click.argument("experiment", default="default")
@click.option(
    "--service", default="", metavar="NAME", help="Which service, where the experiment has several."
)
@click.option("--state", default="", metavar="DESIGN", help="Where the twins keep sessions, e.g. external.")
@click.option(
    "--balancer",
    type=click.Choice([Balancer.PLAIN.value, Balancer.STICKY.value]),
    default=None,
    help="How requests are spread; sticky where the experiment has it.",
)
@click.option("--replicas", type=click.IntRange(1, 500), help="How many; the experiment says it otherwise.")
@click.option("--load", "with_load", is_flag=True, help="Let the experiment's shoppers in, too.")
@click.option(
    "--ui",
    "with_page",
    is_flag=True,
    help="Serve a page on loopback with the sessions, and buttons for faults.",
)
@click.option(
    "--ui-port", type=click.IntRange(1024, 65_535), default=None, help="Of that page; any free one otherwise."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of the shoppers."
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a value of the file; often."
)
@click.option("--ports", callback=ports_of, metavar="FIRST-LAST", help="Use only these ports on loopback.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=DEFAULT_OUT,
    show_default=True,
    metavar="DIR",
    help="Where its folder is made; it stays when faults were carried out, with their journal.",
)
def command(
    experiment: str,
    *,
    service: str,
    state: str,
    balancer: str | None,
    replicas: int | None,
    with_load: bool,
    with_page: bool,
    ui_port: int | None,
    seed: int,
    overrides: tuple[str, ...],
    ports: range | None,
    out: Path,
) -> None:
    """Bring the service of EXPERIMENT up on this machine, print its addresses, and stay until Ctrl-C.

    Without EXPERIMENT it is the stateful twin, sticky, with sessions in memory. `statefall fault` hits it.
    Ctrl-C leaves nothing running; `statefall recover` clears what a killed one left.
    """
    chosen = Chosen(service, state, balancer or "", replicas or 0, overrides)
    plan = without_lacking(LOCAL, plan_of_one(find(experiment), chosen, seed=seed), build=True)
    refuse_unfit(LOCAL, plan, ports=ports)
    if with_load:
        refuse_bad_journeys(plan)
    (cell,) = plan.cells
    page = HeldPage(cell, ui_port or 0) if with_page or ui_port else None
    try:
        journal = hold_up(
            cell,
            out=out,
            open_cluster=lambda folder: open_cluster(LOCAL, folder, plan, ports=ports),
            with_load=with_load,
            clock=system_clock,
            say=_say,
            announce=lambda addresses: _announce(cell, addresses, page),
            watch=page.figures.event if page is not None else lambda event: None,
        )
    finally:
        if page is not None:
            page.close()
    if journal is not None:
        click.echo(f"journal: {journal / 'events.jsonl'}")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _announce(cell: PlannedCell, addresses: UpAddresses, page: HeldPage | None) -> None:
    lines = [f"up: {cell.service} ({cell.state}), {cell.balancer}, {cell.replicas} replicas"]
    lines += [f"  {name:<8}  {url}" for name, url in addresses.urls[:1]]
    lines += [f"  pod       http://{pod.address}  {pod.name}" for pod in addresses.pods]
    lines += [f"  {name:<8}  {url}" for name, url in addresses.urls[1:]]
    if addresses.load:
        lines.append(f"  load      {addresses.load}  (Locust's page, {len(cell.shoppers)} shoppers)")
    if page is not None:
        lines.append(f"  page      {page.open(addresses)}  (sessions, and buttons for faults)")
    lines += [f"  folder    {addresses.folder}", "hit it from another terminal: statefall fault kill"]
    lines.append("end it: Ctrl-C")
    click.echo("\n".join(lines))
