"""The seam between the load and a journey: the Locust user that a file names, and what it brings.

`Shopper` is a `BareShopper` whose requests and promises the tool knows. One with a client or a session
ledger of its own brings its own virtual users, and keeps the books of requests and sessions through the
load context: it counts each request in `recorder`, admits each session to `registry`, and tells each
finding to `found`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

from locust import User as LocustUser

from statefall.load.context import LoadContext
from statefall.load.site import Site
from statefall.load.virtual_user import VirtualUser
from statefall.records.load import LoadConfig
from statefall.records.load import Shopper as PlannedShopper


class Journey(Protocol):
    """A journey in one load process."""

    def virtual_user(self, planned: PlannedShopper, user: Any = None) -> VirtualUser:
        """One more shopper. `user`: the instance of the class that Locust made; else there is none yet."""

    def complaints(self) -> Sequence[str]:
        """At the end: what never worked at all, for reasons that are the journey's own."""


class BareShopper(LocustUser):
    """A Locust user that brings its own virtual users; subclass it in a journey's file."""

    abstract = True
    stay: ClassVar[Callable[[BareShopper], None] | None] = None
    """What runs a shopper that Locust itself made; set where a process is Locust's own."""

    @classmethod
    def begin(cls, load: LoadContext, environment: Any, fault: Callable[[str], None]) -> Journey:
        """The journey in this process, once.

        `environment`: Locust's. `fault`: takes what is wrong with the journey itself, never the service's
        fault.
        """
        raise NotImplementedError(f"{cls.__name__} defines no `begin`")

    @classmethod
    def refuse_unfit(cls, config: LoadConfig) -> None:
        """Before anything starts: raises InputError for a configuration with which it cannot work."""
        Site.of(config.target, config.reached)

    @classmethod
    def configured(cls, config: LoadConfig, options: Namespace) -> LoadConfig:
        """With what the class adds to Locust's own command line."""
        return config

    @classmethod
    def user_id(cls, index: int) -> int:
        """Which user the shopper with this index is, on Locust's own command line."""
        return index + 1

    def run(self) -> None:  # type: ignore[misc]
        """Called by Locust's own command line alone."""
        stay = type(self).stay
        if stay is not None:
            stay(self)
