"""Runs one replica: `python -m services.serve stateless|stateful --bind HOST:PORT`.

gunicorn with one worker process of many threads, since sessions live in that process. How it ends
is what this module is about:

- SIGTERM: readiness turns to 503, connections that wait to be accepted are taken, then the listening
  socket closes and new ones are refused at once. (gunicorn itself leaves them waiting for its exit,
  and then resets them.) Requests under way are finished, within the graceful timeout; idle
  kept-alive connections are closed after 2 s at most; then the replica's parts are closed.
- SIGKILL of the master: the worker dies with it, so no orphan serves on.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import logging
import os
import select
import signal
import socket
import sys
from dataclasses import replace
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

from services.replica import Replica
from services.settings import Settings, SettingsError, new_boot_id, read_settings

KEEPALIVE_S: Final = 75
"""Longer than a shopper thinks; a balancer should close its idle connections earlier."""
MAX_HEADER_BYTES: Final = 32 * 1024
"""A token carries preferences and recent actions, so a header may be longer than usual."""
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


class DrainingWorker(ThreadWorker):  # type: ignore[misc]
    """A gthread worker that leaves nobody waiting at a closed door."""

    app: ReplicaApplication

    def handle_exit(self, sig: int, frame: object) -> None:
        """SIGTERM."""
        self.app.replica.drain()
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop accepting; for good once the worker is to end."""
        super().set_accept_enabled(enabled)
        if self.alive or enabled:
            return
        for listener in self.sockets:
            listener.setblocking(False)
            while _readable(listener):
                self.accept(listener)
            listener.close()

    def run(self) -> None:
        """Serve until told to end and the last request is answered."""
        try:
            super().run()
        finally:
            self.app.replica.close()


class ReplicaApplication(BaseApplication):  # type: ignore[misc]
    """Hands a replica to gunicorn; made in the worker, because threads and connections survive no fork."""

    replica: Replica

    def __init__(self, twin: str, settings: Settings, options: dict[str, Any]) -> None:
        self._settings, self._options = settings, options
        # Imported before the fork and before the port is bound: what cannot start never listens.
        self._create = importlib.import_module(f"services.{twin}.app").create
        self._create(settings)
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called by gunicorn, in the worker; a worker that replaces a dead one is another boot."""
        self.replica = self._create(replace(self._settings, boot=new_boot_id()))
        self.replica.open()
        return self.replica.app


def _readable(listener: socket.socket) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies. Linux only; elsewhere gunicorn polls."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the kernel was told
        os.kill(os.getpid(), signal.SIGKILL)


def _post_fork(arbiter: Arbiter, worker: ThreadWorker) -> None:
    die_with(worker.ppid)


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


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 ended when asked, 2 cannot start with these settings."""
    parser = argparse.ArgumentParser(prog="python -m services.serve", description="Run one replica.")
    parser.add_argument("twin", choices=("stateless", "stateful"))
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument(
        "--graceful-timeout", type=int, default=5, metavar="S", help="time for requests under way at SIGTERM"
    )
    parser.add_argument("--reuse-port", action="store_true", help="bind with SO_REUSEPORT")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = replace(read_settings(), threads=options.threads)
        application = ReplicaApplication(
            options.twin,
            settings,
            gunicorn_options(options.bind, options.threads, options.graceful_timeout, options.reuse_port),
        )
    except SettingsError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        return 2
    application.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
