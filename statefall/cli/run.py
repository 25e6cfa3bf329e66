"""`statefall run`: an experiment on a cluster, from its file to its report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from statefall.clusters import registry
from statefall.conductor.choice import open_cluster, plan_for, preview, refuse_unfit, without_lacking
from statefall.conductor.journeys import refuse_bad_journeys
from statefall.conductor.live import LiveFigures, LivePage, PageReporter
from statefall.conductor.progress import reporter
from statefall.conductor.reading import find, read
from statefall.conductor.run import Request, execute
from statefall.records.clock import system_clock
from statefall.records.errors import InputError
from statefall.results.model import Outcome, Summary
from statefall.results.table import print_table

EXIT_CODES = {Outcome.PASSED: 0, Outcome.FAILED: 3, Outcome.INCONCLUSIVE: 5, Outcome.INVALID: 5}
DEFAULT_OUT = Path("results") / "runs"


def ports_of(context: click.Context, parameter: click.Parameter, value: str | None) -> range | None:
    """`21000-21999` as a range. Raises InputError."""
    if value is None:
        return None
    first, _, last = value.partition("-")
    if not (first.isdigit() and last.isdigit() and 1024 <= int(first) <= int(last) <= 65_535):
        raise InputError(
            f"--ports {value}: expected FIRST-LAST between 1024 and 65535", hint="for example 21000-21999"
        )
    return range(int(first), int(last) + 1)


@click.command("run")
@click.argument("experiment", default="default")
@click.option(
    "--cluster",
    type=click.Choice(registry.names()),
    default="local",
    show_default=True,
    help="Where the services run.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=1,
    show_default=True,
    help="Decides the order of the cells, who the shoppers are, when they arrive, and the faults' victims.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Run every cell so often, in blocks of a random order.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=DEFAULT_OUT,
    show_default=True,
    metavar="DIR",
    help="Where the run's folder is made.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a value of the file, e.g. load.shoppers=120; may be given often.",
)
@click.option(
    "--ports",
    callback=ports_of,
    metavar="FIRST-LAST",
    help="Use only these ports on loopback (local cluster).",
)
@click.option(
    "--plan", "only_plan", is_flag=True, help="Print the plan that the seed draws, and run nothing."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would be touched of a service that stands already; touch nothing.",
)
@click.option(
    "--yes",
    "confirmed",
    is_flag=True,
    help="Work on a service that stands in a namespace without the label of Statefall.",
)
@click.option(
    "--ui", "with_page", is_flag=True, help="Serve a page on loopback that shows the run as it goes."
)
@click.option(
    "--ui-port", type=click.IntRange(1024, 65_535), default=None, help="Of that page; any free one otherwise."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print progress and the summary as JSON lines on standard output."
)
def command(
    experiment: str,
    *,
    cluster: str,
    seed: int,
    repeats: int,
    out: Path,
    overrides: tuple[str, ...],
    ports: range | None,
    only_plan: bool,
    dry_run: bool,
    confirmed: bool,
    with_page: bool,
    ui_port: int | None,
    as_json: bool,
) -> int:
    """Run EXPERIMENT: a shipped one by name, or a YAML file. The default shows the essence in two minutes.

    The services are deployed, shoppers arrive, the faults come, and the ledger says which sessions
    were lost, rolled back or mixed up, and why. The run is kept in DIR/<run-id>/.
    """
    file = find(experiment)
    plan = plan_for(cluster, file, read(file, overrides), seed=seed, repeats=repeats)
    plan = without_lacking(cluster, plan, build=not (only_plan or dry_run))
    if only_plan:
        click.echo(plan.to_json(), nl=False)
        return 0
    if dry_run:
        click.echo(preview(cluster, plan))
        return 0
    refuse_unfit(cluster, plan, ports=ports, confirmed=confirmed)
    refuse_bad_journeys(plan)
    request = Request(
        plan=plan, out=out, cluster_kind=cluster, rerun=_rerun(experiment, cluster, seed, repeats, overrides)
    )
    with _page(experiment, ui_port) if with_page or ui_port else nullcontext() as figures:
        told = reporter(as_json=as_json)
        summary, folder = execute(
            request,
            open_cluster=lambda run_dir: open_cluster(
                cluster, run_dir, plan, ports=ports, confirmed=confirmed
            ),
            reporter=told if figures is None else PageReporter(told, figures),
            clock=system_clock,
        )
        if figures is not None:
            figures.end(str((folder / "report.html").resolve()))
    if as_json:
        click.echo(_one_line(summary))
    else:
        print_table(summary, stream=sys.stdout)
        click.echo(f"report: {folder / 'report.html'}")
    return EXIT_CODES[summary.verdict]


@contextmanager
def _page(experiment: str, port: int | None) -> Iterator[LiveFigures]:
    figures = LiveFigures(experiment)
    page = LivePage(figures, port=port or 0)
    click.echo(f"live page: {page.open()}", err=True)
    try:
        yield figures
    finally:
        figures.end()
        page.close()


def _rerun(experiment: str, cluster: str, seed: int, repeats: int, overrides: tuple[str, ...]) -> str:
    command = ["statefall", "run", experiment, "--cluster", cluster, "--seed", str(seed)]
    command += ["--repeats", str(repeats)] if repeats > 1 else []
    for override in overrides:
        command += ["--set", override]
    return shlex.join(command)


def _one_line(summary: Summary) -> str:
    import json

    return json.dumps({"kind": "summary", **json.loads(summary.to_json())}, separators=(",", ":"))
