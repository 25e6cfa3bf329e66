"""The load generator's process: `python -m statefall.load.main --config FILE`.

Prints one line on standard output, `{"control": URL}`, when its control API listens (see `channel`),
and ends within two seconds of SIGTERM or SIGINT.
"""

# ruff: noqa: E402 - sockets must be patched before anything else imports them
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event

from statefall.load.journey.loading import load_journey
from statefall.load.lifetime import die_with_parent
from statefall.load.roles import Alone, Master, WorkerProcess
from statefall.records.errors import InputError, StatefallError
from statefall.records.load import LoadConfig


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line. Ends the process with code 2 when it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m statefall.load.main", description=__doc__)
    role = parser.add_mutually_exclusive_group()
    role.add_argument("--master", action="store_true", help="wait for workers that somebody else starts")
    role.add_argument("--worker", action="store_true", help="get shoppers from a master")
    parser.add_argument("--config", type=Path, help="a LoadConfig as JSON (all but workers)")
    parser.add_argument("--check", action="store_true", help="read the configuration and end")
    parser.add_argument("--control-host", default="127.0.0.1", help="where the control API listens")
    parser.add_argument("--control-port", type=int, help="default: the configuration's; 0 is any free one")
    parser.add_argument("--expect-workers", type=int, help="default: the configuration's")
    parser.add_argument("--master-bind-host", default="*", help="where --master waits for workers")
    parser.add_argument("--master-host", default="127.0.0.1", help="where a --worker finds its master")
    parser.add_argument("--master-port", type=int, default=5557, help="of --master and --worker")
    parser.add_argument("--heart", type=Path, help="of --worker: touched whenever its master is heard")
    parser.add_argument(
        "--die-with-parent", nargs="?", type=int, const=os.getppid(), metavar="PID",
        help="end when the parent process does; its PID tells also whether it has ended already",
    )  # fmt: skip
    options = parser.parse_args(argv)
    if not options.worker and options.config is None:
        parser.error("--config is required (all but --worker)")
    return options


def read_config(path: Path) -> LoadConfig:
    """Raises InputError."""
    try:
        config = LoadConfig.from_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"is not a load configuration: {type(error).__name__}: {error}",
            where=str(path),
            hint="it is written by LoadConfig.to_json",
        ) from None
    load_journey(config.journey).refuse_unfit(config)
    if config.workers < 1 or len({shopper.user_id for shopper in config.shoppers}) < len(config.shoppers):
        raise InputError(
            "needs at least one worker, and a user of its own for each shopper",
            where=str(path),
            hint="two shoppers of one user would change each other's preferences",
        )
    return config


def run(options: argparse.Namespace, roles: list[Any]) -> None:
    """Take up the role; returns at once for a role with a control API, at its end for a worker."""
    if options.worker:
        worker = WorkerProcess(options.master_host, options.master_port, options.heart)
        roles.append(worker)
        worker.serve()
        return
    config = read_config(options.config)
    if options.check:
        return
    expected = options.expect_workers or config.workers
    if options.master:
        role: Alone | Master = Master(
            expected, options.master_bind_host, options.master_port, start_workers=False
        )
    else:
        role = Alone() if expected == 1 else Master(expected)
    roles.append(role)
    port = config.control_port if options.control_port is None else options.control_port
    url = role.open(config, options.control_host, port)
    sys.stdout.write(json.dumps({"control": url}) + "\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, or that of a StatefallError."""
    options = arguments(argv)
    del sys.argv[1:]  # Locust's page reads the command line anew, as if it were Locust's own
    logging.basicConfig(level=logging.WARNING, format="load: %(levelname)s: %(message)s")
    ending = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, ending.set)
    if options.die_with_parent is not None:
        die_with_parent(options.die_with_parent)
    roles: list[Any] = []
    work = gevent.spawn(_guarded, run, options, roles)
    waited: list[Any] = [work, ending]
    try:
        gevent.wait(waited, count=1)
        if work.ready() and not work.successful():
            return StatefallError.exit_code  # gevent has printed the traceback
        if work.ready() and isinstance(work.value, StatefallError):
            sys.stderr.write(f"{work.value}\n")
            return work.value.exit_code
        if not options.worker and not options.check:
            ending.wait()
        return 0
    finally:
        for role in roles:
            role.close()


def _guarded(function: Any, *args: Any) -> StatefallError | None:
    """Errors that are meant for the user come back as values: a greenlet would print a traceback."""
    try:
        function(*args)
    except StatefallError as error:
        return error
    return None


if __name__ == "__main__":
    sys.exit(main())
