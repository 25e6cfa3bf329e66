"""The twins' shopper: the journey of `statefall run`, and of Locust's own command line.

    locust -f loadtests/locustfile.py --host http://127.0.0.1:8080

It works against any service that keeps the twins' contract. The ledger runs here too: each broken promise
is logged when it is found, and when the test stops each process logs what became of its sessions.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from locust import events

from shop.client import Target
from shop.shopper import ShopJourney, ShopUser
from statefall.load import BareShopper, LoadContext
from statefall.records.load import LoadConfig, Mix

USERS: Final = 100_000
"""Users of the generated shop, ids from 1."""
STRIDE: Final = 7_919
"""Prime to USERS, so that consecutive shoppers are distinct users."""


class Shopping(BareShopper):
    """One shopper of the closed workload."""

    tasks: Any = [ShopUser.step]  # noqa: RUF012 - what Locust shows of it; when it is done, the load says

    @classmethod
    def begin(cls, load: LoadContext, environment: Any, fault: Callable[[str], None]) -> ShopJourney:
        """See `BareShopper.begin`."""
        return ShopJourney(load)

    @classmethod
    def refuse_unfit(cls, config: LoadConfig) -> None:
        """See `BareShopper.refuse_unfit`."""
        Target.of(config.target)

    @classmethod
    def configured(cls, config: LoadConfig, options: Namespace) -> LoadConfig:
        """See `BareShopper.configured`."""
        return replace(config, mix=Mix(options.mix))

    @classmethod
    def user_id(cls, index: int) -> int:
        """See `BareShopper.user_id`."""
        return index * STRIDE % USERS + 1


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--mix", choices=[mix.value for mix in Mix], default="shopping", help="TPC-W mix")


_hooks: Any = events  # Locust's hooks have no types
_hooks.init_command_line_parser.add_listener(_options)
