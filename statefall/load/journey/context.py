"""What all shoppers of one journey share in a load process."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from statefall.ledger.history.writing import ProcessHistory
from statefall.load.context import LoadContext
from statefall.load.journey.declared import Declared, declared_in
from statefall.load.journey.replicas import Attribution
from statefall.load.site import Site
from statefall.load.users import User, users_of

MANY_USERS: Final = 64
"""Accounts are made so many at a time."""
ENOUGH_RUNS: Final = 3
"""A task that began so often and never came to its end has something wrong."""

log = logging.getLogger("statefall")


@dataclass(slots=True)
class TaskRecord:
    """What is known of a task by running it."""

    compares: set[str] = field(default_factory=set)
    writes: bool = False
    began: int = 0
    completed: int = 0
    trouble: str = ""
    """Which answer it tripped over last."""


@dataclass(slots=True)
class JourneyContext:
    """One journey in one process."""

    load: LoadContext
    kind: type[Any]
    """The journey's class."""
    environment: Any
    """Locust's."""
    fault: Callable[[str], None]
    """Something is wrong with the journey itself: never the service's fault."""
    site: Site = field(init=False)
    attribution: Attribution = field(init=False)
    promises: tuple[Declared[Any], ...] = field(init=False)
    history: ProcessHistory = field(init=False)
    tasks: dict[Any, TaskRecord] = field(default_factory=dict)
    logins: int = 0
    refused_login: str = ""
    """What the last login that failed was answered."""
    _accounts: list[User] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        config = self.load.config
        self.site = Site.of(config.target, config.reached)
        self.attribution = Attribution.of(config.answered_by, config.access_log)
        self.promises = declared_in(self.kind)
        self.kind.prepare(self)
        self.history = self.load.history
        terms = {each.name: each.terms for each in self.promises}
        self.history.begin(config.cell, self.kind.__name__, terms, config.max_reloads, time.monotonic())
        if config.shoppers:
            self.account(max(shopper.index for shopper in config.shoppers))

    def account(self, index: int) -> User:
        """Of the shopper with this index. Raises InputError where the file of users is too short."""
        config = self.load.config
        if index >= len(self._accounts):
            count = index + 1 if config.reached.users else index + MANY_USERS
            self._accounts = users_of(config.reached, count, config.seed)
        return self._accounts[index]

    def record(self, task: Any) -> TaskRecord:
        """Of a task, a new one when it never ran."""
        return self.tasks.setdefault(task, TaskRecord())

    def readers(self, names: Sequence[str]) -> list[Any]:
        """The tasks that are known to compare any of these promises, those that only read first."""
        found = [task for task, known in self.tasks.items() if known.compares & set(names)]
        return sorted(found, key=lambda task: self.tasks[task].writes)

    def mistake(self, where: str, error: Exception) -> None:
        """A task raised an error: told once for each place and kind."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == _file_of(self.kind)] or frames
        place = f", line {own[-1].lineno}" if own else ""
        text = f"{type(error).__name__}: {error}"
        key = f"{where}{place}{type(error).__name__}"
        if key not in self._told:
            self._told.add(key)
            self.fault(f"{self.kind.__name__}.{where}{place}: {text}")

    def say(self, what: str) -> None:
        """Worth knowing, once in each process; nobody's fault."""
        if what not in self._told:
            self._told.add(what)
            log.warning("%s.%s", self.kind.__name__, what)

    def complaints(self) -> list[str]:
        """At the end: what never worked at all."""
        name = self.kind.__name__
        found = []
        if not self.logins and self.refused_login:
            found.append(f"{name}.log_in never worked: {self.refused_login}")
        found += [
            f"{name}.{task_name(task)} never came to its end: {known.trouble}"
            for task, known in self.tasks.items()
            if task in self.kind.tasks
            and known.began >= ENOUGH_RUNS
            and not known.completed
            and known.trouble
        ]
        return found


def task_name(task: Any) -> str:
    """As its author wrote it."""
    return str(getattr(task, "__name__", task))


def _file_of(kind: type[Any]) -> str:
    import sys

    module = sys.modules.get(kind.__module__)
    return str(getattr(module, "__file__", ""))
