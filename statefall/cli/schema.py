"""`statefall schema`: JSON schemas, with which an editor completes a file and marks what is wrong in it."""

from __future__ import annotations

import json

import click

from statefall.conductor.schema import experiment_schema, service_schema, summary_document_schema

OF = {"experiment": experiment_schema, "service": service_schema, "summary": summary_document_schema}


@click.command("schema")
@click.argument("of", type=click.Choice(tuple(OF)))
def command(of: str) -> None:
    """Print the JSON schema of an experiment file, a service file or of `summary.json`."""
    click.echo(json.dumps(OF[of](), indent=2, ensure_ascii=False))
