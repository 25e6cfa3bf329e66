"""What a load process can be: alone, master of workers, or a worker."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gevent
from gevent.pywsgi import WSGIServer
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import STATE_MISSING, STATE_RUNNING, STATE_STOPPED

from statefall.load.control import control
from statefall.load.coordinator import Coordinator
from statefall.load.engine import Engine
from statefall.load.rpc import CoordinatorEnd, InProcessWorker, WorkerEnd, reporting
from statefall.load.shoppers import sampler, shopper_class, spawner
from statefall.records.clock import system_clock
from statefall.records.errors import EnvironmentUnfit
from statefall.records.load import LoadConfig

LOOPBACK: Final = "127.0.0.1"
WATCH_S: Final = 0.25
WORKER_END_S: Final = 1.0

log = logging.getLogger("loadtests")


def _environment() -> Any:
    # Exceptions are not caught: a shopper that breaks down is a defect of ours and must be seen.
    return Environment(catch_exceptions=False)


def _engine(environment: Any, report: Any, *, worker: bool) -> Engine:
    engine = Engine(
        report=report,
        spawn=spawner(environment, worker=worker),
        sampled=sampler(environment),
        environment=environment,
    )
    environment.user_classes = [shopper_class(engine.run_next_user)]
    return engine


def _no_start(*_: Any, **__: Any) -> None:
    """Locust's own start: its page's button, and its habit of dealing users out anew."""
    log.warning("shoppers are started through the control API only")


@dataclass(slots=True)
class Control:
    """The control API and Locust's page, on one server."""

    environment: Any
    coordinator: Coordinator
    server: WSGIServer | None = None

    def open(self, config: LoadConfig, host: str, port: int) -> str:
        """Listen; returns the URL. Raises EnvironmentUnfit when the port cannot be had."""
        page = self.environment.create_web_ui(host, port, delayed_start=True)
        page.app.register_blueprint(control(self.coordinator, config, system_clock))
        self.server = WSGIServer((host, port), page.app, log=None, error_log=log)
        page.server = self.server
        try:
            self.server.start()
        except OSError as error:
            raise EnvironmentUnfit(
                f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another --control-port"
            ) from None
        reachable = LOOPBACK if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - compared only
        return f"http://{reachable}:{self.server.server_port}"

    def close(self) -> None:
        """Stop listening; answers under way have a moment."""
        if self.server is not None:
            self.server.stop(timeout=0.2)


class Alone:
    """All shoppers in this process."""

    def __init__(self) -> None:
        self.environment = _environment()
        self.coordinator = Coordinator(system_clock, expected=1)
        self.control = Control(self.environment, self.coordinator)

    def open(self, config: LoadConfig, host: str, port: int) -> str:
        """Ready for `start`; returns the control URL."""
        runner = self.environment.create_local_runner()
        runner.start = _no_start
        engine = _engine(
            self.environment, lambda report: self.coordinator.receive("local", report), worker=False
        )
        self.coordinator.join(InProcessWorker(engine))
        _blame_page_for_stop(self.environment, self.coordinator)
        self.coordinator.on_finish = runner.stop
        return self.control.open(config, host, port)

    def close(self) -> None:
        """End everything."""
        self.control.close()
        if self.environment.runner is not None:
            self.environment.runner.quit()


@dataclass(slots=True)
class Master:
    """No shoppers here: workers have them, started by this process or by somebody else."""

    expected: int
    bind_host: str = LOOPBACK
    bind_port: int = 0
    start_workers: bool = True
    environment: Any = field(default_factory=_environment)
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    _watch: gevent.Greenlet[..., Any] | None = None
    coordinator: Coordinator = field(init=False)
    control: Control = field(init=False)

    def __post_init__(self) -> None:
        self.coordinator = Coordinator(system_clock, self.expected)
        self.control = Control(self.environment, self.coordinator)

    def open(self, config: LoadConfig, host: str, port: int) -> str:
        """Wait for workers; returns the control URL."""
        runner = self.environment.create_master_runner(self.bind_host, self.bind_port)
        runner.start = _no_start
        # Named for Locust's page; nobody is spawned here.
        self.environment.user_classes = [shopper_class(lambda: None)]
        coordinator_end = CoordinatorEnd(runner, self.coordinator)
        _blame_page_for_stop(self.environment, self.coordinator)
        self.coordinator.on_start = lambda: self._running(len(config.shoppers))
        self.coordinator.on_finish = lambda: runner.update_state(STATE_STOPPED)
        url = self.control.open(config, host, port)
        if self.start_workers:
            for _ in range(self.expected):
                self._start_worker(runner.server.port)
        self._watch = gevent.spawn(self._watch_workers, coordinator_end)
        return url

    def close(self) -> None:
        """End everything, the workers that were started here included."""
        if self._watch is not None:
            self._watch.kill()
        self.control.close()
        for process in self._processes.values():
            process.terminate()
        if self.environment.runner is not None:
            self.environment.runner.quit()
            self.environment.runner.server.close(linger=0)
        for process in self._processes.values():
            try:
                process.wait(WORKER_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _running(self, shoppers: int) -> None:
        runner = self.environment.runner
        runner.stats.clear_all()
        runner.target_user_count = shoppers
        runner.update_state(STATE_RUNNING)

    def _start_worker(self, port: int) -> None:
        command = [
            sys.executable,
            "-m",
            "statefall.load.main",
            "--worker",
            "--die-with-parent",
            str(os.getpid()),
        ]
        command += ["--master-host", LOOPBACK, "--master-port", str(port)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._processes[process.pid] = process

    def _watch_workers(self, coordinator_end: CoordinatorEnd) -> None:
        clients = self.environment.runner.clients
        stillborn: set[int] = set()
        while True:
            for pid, process in self._processes.items():
                if process.poll() is not None and pid not in {*coordinator_end.pids.values(), *stillborn}:
                    stillborn.add(pid)
                    log.error("a load worker ended with code %d before it was ready", process.returncode)
            for name in self.coordinator.names:
                client = clients.get(name)
                own = self._processes.get(coordinator_end.pids[name])
                if own is not None and own.poll() is not None:
                    self.coordinator.lose(name, f"its process ended with code {own.returncode}")
                elif client is None or client.state == STATE_MISSING:
                    self.coordinator.lose(name, "its heartbeat stopped")
            gevent.sleep(WATCH_S)


@dataclass(slots=True)
class WorkerProcess:
    """Has shoppers when a master deals them out."""

    master_host: str
    master_port: int
    heart: Path | None = None
    """Its age tells a probe when the master was heard last, once a second while all is well."""
    environment: Any = field(default_factory=_environment)

    def serve(self) -> None:
        """Work until the master says to quit, or has gone."""
        environment = self.environment
        engine = _engine(environment, reporting(lambda: environment.runner), worker=True)
        if self.heart is not None:
            environment.events.heartbeat_received.add_listener(self._beat)
        runner = environment.create_worker_runner(self.master_host, self.master_port)
        WorkerEnd(runner, engine).say_hello()
        runner.greenlet.join()

    def _beat(self, **_: Any) -> None:
        assert self.heart is not None
        self.heart.touch()

    def close(self) -> None:
        """Leave the master and end."""
        runner = self.environment.runner
        if runner is None:
            return
        with contextlib.suppress(RPCError):  # the master may have gone before
            self.environment.events.quitting.fire(environment=self.environment)
        runner.quit()
        runner.client.close(linger=0)


def _blame_page_for_stop(environment: Any, coordinator: Coordinator) -> None:
    def stopping(**_: Any) -> None:
        if not coordinator.finished:
            coordinator.fault("the load was stopped on Locust's page")

    environment.events.test_stopping.add_listener(stopping)
