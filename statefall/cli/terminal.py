"""Keeps the user's terminal to our own lines: what libraries print of themselves is not for the user."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Final

import click

DEBUG: Final = "STATEFALL_DEBUG"
"""Environment: with any value tracebacks, warnings and log records of libraries are shown."""
_OF_A_LIBRARY: Final = ("Kubernetes port forward proxy",)
"""How the threads are named that a library starts: where one fails, whoever uses its connection sees it."""


def debugging() -> bool:
    """Whether the user asked for more than our own lines."""
    return bool(os.environ.get(DEBUG))


def own_lines_only() -> None:
    """From now on nothing that a library logs, warns of or fails with reaches standard error.

    For the process of a command line: it changes hooks of the interpreter. Does nothing while debugging.
    """
    if debugging():
        return
    # Without any handler the last resort of `logging` prints what is a warning or worse.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.captureWarnings(True)
    threading.excepthook = _thread_failed
    sys.unraisablehook = _nobody_can_catch


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else "unknown"
    if issubclass(failure.exc_type, SystemExit) or name.startswith(_OF_A_LIBRARY):
        return
    message = f"internal error in thread {name!r}: {failure.exc_type.__name__}: {failure.exc_value}"
    click.echo(f"statefall: {message.splitlines()[0]} ({DEBUG}=1 shows where)", err=True)


def _nobody_can_catch(failure: object) -> None:
    """What is raised while an object is being collected: of no consequence for the run."""
