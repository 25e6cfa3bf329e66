"""Runs one replica: `python -m services.serve stateless|stateful --bind HOST:PORT`.

gunicorn with one worker process of many threads, since sessions live in that process. How it ends
is in `draining`. The application is made twice: in the master before the port is bound, so that
what cannot start never listens, and in the worker after the fork, because threads and connections
survive none.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import socket
import sys
from dataclasses import replace
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from services.allocator import return_large_blocks
from services.draining import DrainingWorker, die_with
from services.replica import Replica
from services.settings import Settings, SettingsError, new_boot_id, read_settings

KEEPALIVE_S: Final = 75
"""Longer than a shopper thinks; a balancer should close its idle connections earlier."""
MAX_HEADER_BYTES: Final = 32 * 1024
"""A token carries preferences and recent actions, so a header may be longer than usual."""
GRACEFUL_TIMEOUT_S: Final = 8
"""Below the local cluster's grace period of 10 s by its preStop wait of 1 s and a margin."""


class ReplicaApplication(BaseApplication):  # type: ignore[misc]
    """Hands a replica to gunicorn."""

    replica: Replica | None = None

    def __init__(self, twin: str, settings: Settings, options: dict[str, Any]) -> None:
        self._settings, self._options = settings, options
        self._create = importlib.import_module(f"services.{twin}.app").create
        self._create(settings)
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called by gunicorn, in the worker; a worker that replaces a dead one is another boot."""
        replica: Replica = self._create(replace(self._settings, boot=new_boot_id()))
        replica.open()
        self.replica = replica
        return replica.app


def gunicorn_options(bind: str, threads: int, graceful_timeout_s: int, reuse_port: bool) -> dict[str, Any]:
    """gunicorn's settings for one replica."""
    return {
        "bind": [bind],
        "workers": 1,
        "worker_class": DrainingWorker,
        "threads": threads,
        "worker_connections": 2000,
        "keepalive": KEEPALIVE_S,
        "graceful_timeout": graceful_timeout_s,
        "timeout": 0,  # whether a replica hangs is for its surroundings to see, by /live
        "reuse_port": reuse_port,
        "limit_request_field_size": MAX_HEADER_BYTES,
        "loglevel": "warning",
        "accesslog": None,
        "control_socket_disable": True,
        "post_fork": _post_fork,
    }


def _post_fork(arbiter: Arbiter, worker: DrainingWorker) -> None:
    die_with(worker.ppid)


def check_free(bind: str, reuse_port: bool) -> None:
    """Raises SettingsError unless a socket can be bound there; gunicorn would try for seconds first."""
    host, _, port = bind.rpartition(":")
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            probe.bind((host, int(port)))
    except (OSError, ValueError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "must be HOST:PORT"
        raise SettingsError(f"--bind {bind}: {reason}") from None


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.serve", description="Run one replica.")
    parser.add_argument("twin", choices=("stateless", "stateful"))
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    parser.add_argument("--threads", type=_at_least_one, default=16, help="requests served at once")
    parser.add_argument(
        "--graceful-timeout",
        type=_at_least_one,
        default=os.environ.get("STATEFALL_GRACEFUL_TIMEOUT_S", str(GRACEFUL_TIMEOUT_S)),
        metavar="S",
        help="at most, from SIGTERM to the end; below the grace period (STATEFALL_GRACEFUL_TIMEOUT_S)",
    )
    parser.add_argument("--reuse-port", action="store_true", help="bind with SO_REUSEPORT")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 ended when asked, 2 cannot start with these settings."""
    given = _options(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    return_large_blocks()
    try:
        host = given.bind.rpartition(":")[0]
        settings = replace(read_settings(), threads=given.threads, host=host)
        options = gunicorn_options(given.bind, given.threads, given.graceful_timeout, given.reuse_port)
        application = ReplicaApplication(given.twin, settings, options)
        check_free(given.bind, given.reuse_port)
    except SettingsError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        return 2
    application.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
