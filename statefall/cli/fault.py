"""`statefall fault KIND`: one fault by hand, on what `statefall up` holds or on what runs on Kubernetes."""

from __future__ import annotations

from pathlib import Path

import click

from statefall.clusters import registry
from statefall.conductor.attached import AttachedTarget, strike
from statefall.conductor.control import FaultCommand
from statefall.conductor.held import ask_held, find_held
from statefall.faults.by_hand import DEFAULT_DURATION_S, HandFault, refuse_senseless
from statefall.records.clock import system_clock
from statefall.records.errors import InputError
from statefall.records.faults import FaultKind
from statefall.records.service import AttachedWorkload, Workload

LOCAL = "local"


@click.command("fault")
@click.argument("kind", type=click.Choice([kind.value for kind in FaultKind]))
@click.option(
    "--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many replicas."
)
@click.option(
    "--grace", "grace_s", type=click.FloatRange(0, 86_400), help="Grace period of a delete, seconds."
)
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(0, 86_400, min_open=True),
    help=f"Seconds until what lasts is put back; {DEFAULT_DURATION_S:g} unless given.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be touched, and touch nothing.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Draws the victims."
)
@click.option("--pod", default="", metavar="NAME", help="The victim, in place of a drawn one.")
@click.option(
    "--run", "run", type=click.Path(path_type=Path), metavar="DIR", help="Folder of one of several `up`."
)
@click.option(
    "--cluster",
    type=click.Choice(registry.names()),
    default=LOCAL,
    show_default=True,
    help="local: what `statefall up` holds; kubernetes: what is named below.",
)
@click.option("--deployment", default="", metavar="NAME", help="A Deployment that runs on Kubernetes.")
@click.option("--selector", default="", metavar="LABELS", help="Labels that exactly one workload matches.")
@click.option(
    "--namespace", default="default", show_default=True, metavar="NAME", help="Where on Kubernetes."
)
@click.option("--yes", is_flag=True, help="Even in a namespace that does not carry Statefall's label.")
def command(
    kind: str,
    *,
    count: int,
    grace_s: float | None,
    duration_s: float | None,
    dry_run: bool,
    seed: int,
    pod: str,
    run: Path | None,
    cluster: str,
    deployment: str,
    selector: str,
    namespace: str,
    yes: bool,
) -> int:
    """Carry out one fault by hand and watch what comes of it, as in a run.

    Prints what will be touched, the act, the observed effect and the recovery. What lasts (a pause, another
    number of replicas, an outage of the store, a cordoned node) is put back when its duration is over, or at
    Ctrl-C.
    """
    asked = HandFault(
        kind=next(each for each in FaultKind if each == kind),
        count=count,
        grace_s=grace_s,
        duration_s=DEFAULT_DURATION_S if duration_s is None else duration_s,
        seed=seed,
        pod=pod,
    )
    refuse_senseless(asked, duration_given=duration_s is not None)
    order = FaultCommand(asked, dry_run)
    if cluster == LOCAL:
        if deployment or selector:
            raise InputError("a Deployment or selector is one of Kubernetes", hint="--cluster kubernetes")
        return ask_held(find_held(cluster, run), order, say=click.echo)
    workload = _workload(deployment, selector, namespace, count)
    return strike(AttachedTarget(cluster, workload, yes), order, clock=system_clock, say=click.echo)


def _workload(deployment: str, selector: str, namespace: str, count: int) -> AttachedWorkload:
    if bool(deployment) == bool(selector):
        raise InputError(
            "name what is to be hit", where="--cluster", hint="--deployment NAME, or --selector LABELS"
        )
    kind = Workload.DEPLOYMENT if deployment else Workload.SELECTOR
    return AttachedWorkload(workload=kind, name=deployment or selector, namespace=namespace, most_down=count)
