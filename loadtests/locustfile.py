"""The shoppers for a person at Locust's own command line, against any service that keeps the contract.

    locust -f loadtests/locustfile.py --host http://127.0.0.1:8080

The ledger runs here too: each broken promise is logged when it is found, and when the test stops
each process logs what became of its sessions.
"""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from collections import Counter
from itertools import count
from typing import Any, Final

import gevent
from locust import User, constant, events, task
from locust.exception import StopUser

from foundation.clock import system_clock
from foundation.errors import InputError
from foundation.events import Kind
from loadtests.config import LoadConfig, Mix, Shopper
from loadtests.engine import Engine, Report
from loadtests.shoppers import sampler

USERS: Final = 100_000
"""Users of the generated shop, ids from 1."""
STRIDE: Final = 7_919
"""Prime to USERS, so that consecutive shoppers are distinct users."""
MAX_WORKERS: Final = 100

log = logging.getLogger("statefall")
_current: dict[str, Engine] = {}
"""The engine of the test that runs, by the single key `engine`."""
_numbers = count()


def _options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("Statefall")
    group.add_argument("--mix", choices=[mix.value for mix in Mix], default="shopping", help="TPC-W mix")
    group.add_argument("--think-time", type=float, default=1.0, help="mean, in seconds")
    group.add_argument("--request-timeout", type=float, default=5.0, help="in seconds")
    group.add_argument("--patience", type=int, default=1, help="reloads before logging in again")
    group.add_argument("--seed", type=int, default=1, help="of journeys and think times")


def _begin(environment: Any, **_: Any) -> None:
    if type(environment.runner).__name__ == "MasterRunner":
        return  # the workers have the shoppers
    options = environment.parsed_options
    engine = Engine(report=_report, spawn=lambda count: None, sampled=sampler(environment))
    config = LoadConfig(
        cell="by hand",
        target=environment.host or Shopping.host or "",
        seed=options.seed,
        shoppers=(),
        mix=Mix(options.mix),
        think_time_s=options.think_time,
        timeout_s=options.request_timeout,
        patience=options.patience,
    )
    try:
        engine.assign(config)
    except InputError as error:
        log.error("%s", error)
        environment.process_exit_code = InputError.exit_code
        gevent.spawn(environment.runner.quit)
        return
    engine.start(system_clock().monotonic_s)
    _current["engine"] = engine


def _end(environment: Any, **_: Any) -> None:
    engine = _current.pop("engine", None)
    if engine is None:
        return
    result = engine.finish()
    verdicts = Counter(record.verdict.value for record in result.sessions)
    log.info("requests: %s", result.requests)
    log.info("sessions: %d, of these %s", len(result.sessions), dict(verdicts))


def _report(report: Report) -> None:
    for record in report["events"]:
        if record["kind"] == Kind.SESSION_LOST.value:
            log.info(
                "session %s of user %s: %s: %s",
                record["session"],
                record["user_id"],
                record["verdict"],
                record["evidence"],
            )


class Shopping(User):
    """One shopper of the closed workload."""

    wait_time = constant(0)

    @task
    def stay(self) -> None:
        """From arrival to the end of the test."""
        engine = _current.get("engine")
        if engine is not None:
            worker = max(getattr(self.environment.runner, "worker_index", 0), 0)
            index = next(_numbers) * MAX_WORKERS + worker
            seed = self.environment.parsed_options.seed
            engine.welcome(Shopper(index, index * STRIDE % USERS + 1, 0.0, seed * 1_000_003 + index))
        raise StopUser


_hooks: Any = events  # Locust's hooks have no types
_hooks.init_command_line_parser.add_listener(_options)
_hooks.test_start.add_listener(_begin)
_hooks.test_stopping.add_listener(_end)
