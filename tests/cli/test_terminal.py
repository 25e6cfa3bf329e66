"""What reaches the user's terminal: our own lines, and nothing that a library prints of itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMMAND = """
import logging, threading, warnings
import click
from statefall.cli.main import cli, main

def fail(words):
    raise RuntimeError(words)

class Collected:
    def __del__(self):
        fail("while collected")

@cli.command("misbehave")
def misbehave():
    for name in {threads!r}:
        thread = threading.Thread(target=fail, args=("it broke\\nbadly",), name=name)
        thread.start()
        thread.join()
    logging.getLogger("urllib3.connectionpool").warning("retrying")
    logging.getLogger("websocket").error("gone")
    warnings.warn("insecure", UserWarning)
    Collected()
    click.echo("done")

main(["misbehave"])
"""
OF_THE_LIBRARY = "Kubernetes port forward proxy: 8000"


def misbehave(*threads: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command line during which libraries fail in these threads, and log and warn."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STATEFALL", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(threads=threads)],
        env=kept | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    return done


def test_a_library_that_fails_logs_and_warns_prints_nothing() -> None:
    assert misbehave(OF_THE_LIBRARY).stderr == ""


def test_a_thread_of_ours_that_fails_is_told_in_one_line() -> None:
    assert misbehave("watch pods", OF_THE_LIBRARY).stderr == (
        "statefall: internal error in thread 'watch pods': RuntimeError: it broke "
        "(STATEFALL_DEBUG=1 shows where)\n"
    )


@pytest.mark.parametrize("said", ["Traceback", "retrying", "insecure", "while collected"])
def test_debugging_shows_all_of_it(said: str) -> None:
    assert said in misbehave("watch pods", STATEFALL_DEBUG="1").stderr
