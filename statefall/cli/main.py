"""The command line: finds the command, and ends every way out with one line and the right exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from statefall.cli import (
    advise,
    check,
    compare,
    doctor,
    export,
    fault,
    new,
    recover,
    report,
    results,
    run,
    schema,
    ui,
    up,
)
from statefall.cli.terminal import debugging, own_lines_only
from statefall.records.errors import InputError, Interrupted, StatefallError

INTERNAL_ERROR = 1
BAD_INPUT = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="statefall", message="%(prog)s %(version)s")
def cli() -> None:
    """Count what your users lose when a pod falls.

    Exit codes: 0 passed, 1 internal error, 2 unusable input, 3 a gate failed,
    4 a regression beyond the noise, 5 inconclusive or invalid run, or one that was ended early.
    """


for command in (
    run.command,
    new.command,
    up.command,
    ui.command,
    fault.command,
    report.command,
    check.command,
    results.command,
    compare.command,
    export.command,
    schema.command,
    advise.command,
    doctor.command,
    recover.command,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `statefall`. Ends the process; a traceback is shown only with STATEFALL_DEBUG=1."""
    own_lines_only()
    sys.exit(invoke(arguments))


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code, having told of errors on standard error."""
    try:
        outcome = cli.main(args=arguments, prog_name="statefall", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return BAD_INPUT
    except click.ClickException as error:
        return _tell(InputError(_one_line(error)))
    except click.Abort:
        return _tell(StatefallError("interrupted"), code=5)
    except (StatefallError, Interrupted) as error:
        return _tell(error)
    except BrokenPipeError:
        # The reader of our output is gone (`statefall results | head`): there is nobody left to tell.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - kept open until the interpreter ends
        return 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line instead of a traceback
        if debugging():
            traceback.print_exc()
        message = f"internal error: {type(error).__name__}: {error}".splitlines()[0]
        return _tell(StatefallError(f"{message} (STATEFALL_DEBUG=1 shows where)"), code=INTERNAL_ERROR)


def _tell(error: StatefallError | Interrupted, *, code: int | None = None) -> int:
    click.echo(f"statefall: {error}", err=True)
    return error.exit_code if code is None else code


def _one_line(error: click.ClickException) -> str:
    return " ".join(error.format_message().split())
