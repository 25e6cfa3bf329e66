"""`statefall advise FILE`: which design the requirements speak for, and what this project measured for it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from statefall.conductor.documents import read_document
from statefall.content import PUBLISHED
from statefall.results.advice import Decision, Reason, Requirements, decide
from statefall.results.measured import Measurement, as_text, measurements


@click.command("advise")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option(
    "--results",
    "folder",
    type=click.Path(path_type=Path),
    default=PUBLISHED,
    help="Folder of recorded runs to cite; the published ones by default.",
)
def command(file: Path, *, as_json: bool, folder: Path) -> None:
    """Score a service's requirements for a stateless and a stateful design.

    FILE is YAML with concurrent_users, availability_percent, deployments_per_month, team_size and
    the switches simple_request_response, websockets, conversation, expensive_computations,
    high_personalisation, real_time.
    """
    decision = decide(read_document(file, Requirements))
    found = measurements(folder, decision.designs)
    click.echo(json.dumps(_document(decision, found), indent=1) if as_json else _text(decision, found))


def _document(decision: Decision, found: tuple[Measurement, ...]) -> dict[str, object]:
    def reasons(side: tuple[Reason, ...]) -> list[dict[str, object]]:
        return [{"points": reason.points, "reason": reason.text} for reason in side]

    return {
        "advice": decision.advice.value,
        "because": decision.because,
        "designs": [design.value for design in decision.designs],
        "stateless": {
            "score": decision.stateless_score,
            "verdict": decision.stateless_verdict,
            "reasons": reasons(decision.stateless),
        },
        "stateful": {
            "score": decision.stateful_score,
            "verdict": decision.stateful_verdict,
            "reasons": reasons(decision.stateful),
        },
        "measured": [measurement.record() for measurement in found],
    }


def _text(decision: Decision, found: tuple[Measurement, ...]) -> str:
    lines = [f"Advice: {decision.advice.value}, because {decision.because}.", ""]
    for verdict, reasons in (
        (decision.stateless_verdict, decision.stateless),
        (decision.stateful_verdict, decision.stateful),
    ):
        lines.append(verdict)
        lines += [f"  +{reason.points} {reason.text}" for reason in reasons] or ["  (nothing speaks for it)"]
    lines += ["", f"State designs that carry it out: {', '.join(decision.designs)}", "", "Measured for them:"]
    lines += [f"  {line}" for line in as_text(found)] or ["  no recorded run covers them yet"]
    return "\n".join(lines)
