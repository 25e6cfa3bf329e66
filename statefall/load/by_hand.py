"""A journey under Locust's own command line: `locust -f buyer.py --host URL`, with or without its page.

Each process logs what its ledger finds, and at the end what became of its sessions; Locust's page shows
the sessions of all processes in a tab of their own. Importing this hooks into Locust's global events,
which fire in processes of Locust's own command alone.
"""

from __future__ import annotations

import json
import logging
import signal
from argparse import ArgumentParser
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import gevent
from flask import Response, request
from locust import events

from statefall.load.engine import Engine
from statefall.load.journey.bare import BareShopper, Journey
from statefall.load.journey.loading import refuse_unfit_class
from statefall.load.messages import Report
from statefall.load.shoppers import sampler
from statefall.records.clock import system_clock
from statefall.records.errors import InputError
from statefall.records.events import SessionLost
from statefall.records.load import LoadConfig
from statefall.records.load import Shopper as PlannedShopper

MAX_WORKERS: Final = 100
TAB: Final = "sessions"
REPORTED: Final = "statefall_sessions"
"""What a worker tells its master besides Locust's own figures: sessions by verdict."""

log = logging.getLogger("statefall")


@dataclass(slots=True)
class _Process:
    """The journeys of this process, one engine for each class, from a test's start to its end."""

    engines: dict[type[BareShopper], tuple[Engine, Journey]] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)
    of_workers: dict[str, Counter[str]] = field(default_factory=dict)
    at_the_end: Counter[str] = field(default_factory=Counter)

    def sessions(self) -> Counter[str]:
        """By verdict, as of now."""
        found = Counter(self.at_the_end)
        for engine, _ in self.engines.values():
            found.update(engine.verdicts())
        return found

    def all_sessions(self) -> Counter[str]:
        """Those of the workers too."""
        return sum(self.of_workers.values(), self.sessions())


_process = _Process()


def _stay(shopper: BareShopper) -> None:
    """From a shopper's arrival to the end of the test."""
    environment = shopper.environment
    worker = max(getattr(environment.runner, "worker_index", 0), 0)
    index = next(_process.numbers) * MAX_WORKERS + worker
    seed = environment.parsed_options.seed
    planned = PlannedShopper(index, type(shopper).user_id(index), 0.0, seed * 1_000_003 + index)
    try:
        engine, journey = _journey_of(type(shopper), environment)
        user = journey.virtual_user(planned, shopper)
    except InputError as error:
        _end_at_once(environment, error)
        return
    engine.let_stay(user)


def _journey_of(kind: type[BareShopper], environment: Any) -> tuple[Engine, Journey]:
    if kind not in _process.engines:
        engine = Engine(
            report=_report, spawn=lambda count: None, sampled=sampler(environment), environment=environment
        )
        options = environment.parsed_options
        config = LoadConfig(
            cell="by hand",
            target=environment.host or kind.host or "",
            seed=options.seed,
            shoppers=(),
            think_time_s=options.think_time,
            timeout_s=options.request_timeout,
            max_reloads=options.max_reloads,
        )
        engine.assign(kind.configured(config, options), kind)
        engine.start(system_clock().monotonic_s)
        _process.engines[kind] = (engine, engine.journey)
    return _process.engines[kind]


def _options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("Statefall")
    group.add_argument("--think-time", type=float, default=1.0, help="mean, in seconds; of no own wait_time")
    group.add_argument("--request-timeout", type=float, default=5.0, help="in seconds")
    group.add_argument("--max-reloads", type=int, default=1, help="before logging in again")
    group.add_argument("--seed", type=int, default=1, help="of choices and think times")


def _kinds(environment: Any) -> list[type[BareShopper]]:
    return [kind for kind in environment.user_classes if issubclass(kind, BareShopper)]


def _interrupt() -> None:
    raise KeyboardInterrupt


def _take_interrupts(environment: Any, **_: Any) -> None:
    """Ctrl-C ends Locust from its main greenlet; else it would end the shopper at work, with a traceback."""
    if _kinds(environment):
        hub: Any = gevent.get_hub()
        hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)
        gevent.signal_handler(signal.SIGINT, _interrupt)


def _begin(environment: Any, **_: Any) -> None:
    _process.at_the_end.clear()
    _process.of_workers.clear()
    if type(environment.runner).__name__ == "MasterRunner":
        return  # the workers have the shoppers
    try:
        for kind in _kinds(environment):
            refuse_unfit_class(kind, kind.__name__)
            _journey_of(kind, environment)
    except InputError as error:
        _end_at_once(environment, error)


def _end_at_once(environment: Any, error: InputError) -> None:
    log.error("%s", error)
    environment.process_exit_code = InputError.exit_code
    gevent.spawn(environment.runner.quit)


def _end(environment: Any, **_: Any) -> None:
    engines, _process.engines = _process.engines, {}
    for kind, (engine, _journey) in engines.items():
        engine.audit()
        result = engine.finish()
        verdicts = Counter(record.verdict.value for record in result.sessions)
        _process.at_the_end.update(verdicts)
        told = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common()) or "none"
        log.info("%s: requests: %s", kind.__name__, result.requests)
        log.info("%s: %d sessions: %s", kind.__name__, len(result.sessions), told)
        for fault in result.generator_faults:
            log.error("%s", fault)


def _report(report: Report) -> None:
    for event in report.events:
        if isinstance(event, SessionLost):
            log.warning(
                "session %s of shopper %s: %s: %s",
                event.session,
                event.shopper,
                event.verdict.value,
                event.evidence,
            )


def _tell_master(client_id: str, data: Any, **_: Any) -> None:
    data[REPORTED] = dict(_process.sessions())


def _hear_worker(client_id: str, data: Any, **_: Any) -> None:
    _process.of_workers[client_id] = Counter(data.get(REPORTED) or {})


def _show(environment: Any, **_: Any) -> None:
    """Give Locust's page a tab with the sessions by verdict."""
    page = environment.web_ui
    if page is None or not _kinds(environment):
        return
    columns = [{"key": "verdict", "title": "Sessions by verdict"}, {"key": "sessions", "title": "Sessions"}]
    page.template_args = {
        **page.template_args,
        "extended_tabs": [{"title": "Sessions", "key": TAB}],
        "extended_tables": [{"key": TAB, "structure": columns}],
        "extended_csv_files": [],
    }

    def with_sessions(response: Response) -> Response:
        if request.path == "/stats/requests" and response.status_code == 200:
            rows = [
                {"verdict": verdict, "sessions": number, "name": verdict, "safeName": verdict}
                for verdict, number in _process.all_sessions().most_common()
            ]
            stats = {**(response.get_json() or {}), "extended_stats": [{"key": TAB, "data": rows}]}
            response.set_data(json.dumps(stats))
        return response

    page.app.after_request(with_sessions)


_hooks: Any = events  # Locust's hooks have no types
_hooks.init_command_line_parser.add_listener(_options)
_hooks.init.add_listener(_show)
_hooks.init.add_listener(_take_interrupts)
_hooks.test_start.add_listener(_begin)
_hooks.test_stopping.add_listener(_end)
_hooks.report_to_master.add_listener(_tell_master)
_hooks.worker_report.add_listener(_hear_worker)
BareShopper.stay = staticmethod(_stay)
