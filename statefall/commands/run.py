"""`statefall run`: an experiment on a cluster, from its file to its report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from foundation.clock import system_clock
from foundation.errors import InputError
from results.model import Outcome, Summary
from results.table import print_table
from statefall.clusters import ClusterChoice, open_cluster, refuse_unfit
from statefall.plan import make_plan
from statefall.progress import reporter
from statefall.reading import find, read
from statefall.run import Request, execute

EXIT_CODES = {Outcome.PASSED: 0, Outcome.FAILED: 3, Outcome.INCONCLUSIVE: 5, Outcome.INVALID: 5}
DEFAULT_OUT = Path("results") / "runs"


def _ports(context: click.Context, parameter: click.Parameter, value: str | None) -> range | None:
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
    "--cluster", type=click.Choice([c.value for c in ClusterChoice]), default="local", show_default=True
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True)
@click.option("--repeats", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=DEFAULT_OUT, show_default=True, metavar="DIR")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a value, e.g. load.shoppers=120."
)
@click.option(
    "--ports", callback=_ports, metavar="FIRST-LAST", help="Use only these ports on loopback (local cluster)."
)
@click.option(
    "--plan", "only_plan", is_flag=True, help="Print the plan that the seed draws, and run nothing."
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
    as_json: bool,
) -> int:
    """Run EXPERIMENT: a shipped one by name, or a YAML file. The default shows the essence in two minutes.

    The services are deployed, shoppers arrive, the faults come, and the ledger says which sessions
    were lost, rolled back or mixed up, and why. The run is kept in DIR/<run-id>/.
    """
    plan = make_plan(read(find(experiment), overrides), seed=seed, repeats=repeats)
    if only_plan:
        click.echo(plan.to_json(), nl=False)
        return 0
    refuse_unfit(ClusterChoice(cluster), plan)
    request = Request(
        plan=plan, out=out, cluster_kind=cluster, rerun=_rerun(experiment, cluster, seed, repeats, overrides)
    )
    summary, folder = execute(
        request,
        open_cluster=lambda run_dir: open_cluster(ClusterChoice(cluster), run_dir, plan, ports=ports),
        reporter=reporter(as_json=as_json),
        clock=system_clock,
    )
    if as_json:
        click.echo(_one_line(summary))
    else:
        print_table(summary, stream=sys.stdout)
        click.echo(f"report: {folder / 'report.html'}")
    return EXIT_CODES[summary.verdict]


def _rerun(experiment: str, cluster: str, seed: int, repeats: int, overrides: tuple[str, ...]) -> str:
    words = ["statefall", "run", experiment, "--cluster", cluster, "--seed", str(seed)]
    words += ["--repeats", str(repeats)] if repeats > 1 else []
    for override in overrides:
        words += ["--set", override]
    return shlex.join(words)


def _one_line(summary: Summary) -> str:
    import json

    return json.dumps({"kind": "summary", **json.loads(summary.to_json())}, separators=(",", ":"))
