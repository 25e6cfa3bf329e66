"""`statefall new [DIR]`: a first service, journey and experiment to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from statefall.content import FIRST
from statefall.records.errors import InputError

FILES = ("app.py", "buyer.py", "rollout.yaml")


@click.command("new")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Write a first experiment into DIR: a Flask app, a user of it, and what happens to both.

    DIR is the current folder unless given. No file is ever overwritten.
    """
    for name in FILES:
        if (folder / name).exists() or (folder / name).is_symlink():
            raise InputError(
                "is there already", where=str(folder / name), hint="choose another folder: statefall new DIR"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write((FIRST / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(error.filename or folder)
        ) from error
    experiment = shlex.quote(str(folder / "rollout.yaml"))
    click.echo(f"written: {', '.join(str(folder / name) for name in FILES)}")
    click.echo("next:")
    click.echo(f"  statefall run {experiment}   # who loses what: ends with a table and a report")
    click.echo(
        f"  statefall up {experiment}    # the app alone, to be looked at and hit by hand until Ctrl-C"
    )
