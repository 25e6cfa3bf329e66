"""`statefall doctor`: what the chosen cluster needs and whether it is there."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import click

from statefall.clusters import registry
from statefall.clusters.protocol import Check
from statefall.conductor.choice import attaching_of, demand_of, plan_for
from statefall.conductor.reading import find, read
from statefall.records.errors import InputError, StatefallError


@click.command("doctor")
@click.argument("experiment", default="", required=False)
@click.option(
    "--cluster",
    type=click.Choice(registry.names()),
    default="local",
    show_default=True,
    help="The cluster to be examined.",
)
@click.option("--role", "only_role", is_flag=True, help="Print the Role alone, as YAML for kubectl.")
def command(experiment: str, *, cluster: str, only_role: bool) -> int:
    """Check that a run can work here, and say what is missing. Exit code 2 when something is.

    With EXPERIMENT, a file about a service that stands on Kubernetes already: whether what its faults need is
    there, and the smallest Role that grants it.
    """
    if not experiment:
        if only_role:
            raise InputError("--role needs the file of an experiment", hint="statefall doctor FILE --role")
        return _tell(registry.entry_of(cluster).load().examine())
    file = find(experiment)
    asked = read(file)
    if asked.of_twins:
        raise InputError(
            "is about the twins, which need no Role of their own", where=str(file), hint="leave the file out"
        )
    attaching = attaching_of(cluster)
    demand = demand_of(plan_for(cluster, file, asked, seed=1, repeats=1, count=False))
    if only_role:
        click.echo(attaching.role(demand), nl=False)
        return 0
    with suppress(StatefallError):  # that nobody can count its replicas is told by the examination
        demand = demand_of(plan_for(cluster, file, asked, seed=1, repeats=1))
    code = _tell(attaching.examine(demand))
    click.echo("---")
    click.echo(attaching.role(demand), nl=False)
    return code


def _tell(checks: Iterable[Check]) -> int:
    missing = False
    for check in checks:
        missing = missing or not check.fine
        click.echo(f"{'ok     ' if check.fine else 'MISSING'}  {check.name}: {check.message}")
    return 2 if missing else 0
