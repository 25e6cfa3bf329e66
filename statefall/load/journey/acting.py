"""What every journey defines and uses, whichever client it asks with."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from statefall.load.context import LoadContext
from statefall.load.journey.bare import BareShopper
from statefall.load.journey.context import JourneyContext
from statefall.load.journey.declared import Held
from statefall.load.journey.exchanges import Exchanges
from statefall.load.journey.replies import Reply
from statefall.load.journey.tabs import AnyTab, Tab
from statefall.load.journey.walk import JourneyUser
from statefall.load.users import User, users_of
from statefall.records.load import LoadConfig
from statefall.records.load import Shopper as PlannedShopper


class DeclaredJourney:
    """A journey whose class declares promises, in one load process."""

    def __init__(self, context: JourneyContext) -> None:
        self._context = context

    def virtual_user(self, planned: PlannedShopper, user: Any = None) -> JourneyUser:
        """See `Journey.virtual_user`."""
        return JourneyUser(self._context, planned, user)

    def complaints(self) -> list[str]:
        """See `Journey.complaints`."""
        return self._context.complaints()


class Acting(BareShopper):
    """A Locust user that declares promises and is driven by a virtual user."""

    abstract = True
    _walk: JourneyUser

    @classmethod
    def begin(cls, load: LoadContext, environment: Any, fault: Callable[[str], None]) -> DeclaredJourney:
        """See `BareShopper.begin`."""
        return DeclaredJourney(JourneyContext(load, cls, environment, fault))

    @classmethod
    def refuse_unfit(cls, config: LoadConfig) -> None:
        """See `BareShopper.refuse_unfit`."""
        super().refuse_unfit(config)
        users_of(config.reached, len(config.shoppers), config.seed)

    @classmethod
    def prepare(cls, context: JourneyContext) -> None:
        """Before any user of this class is made."""

    def enter(self, walk: JourneyUser) -> None:
        """It is driven by this from now on."""
        self._walk = walk

    def first_tab(self, exchanges: Exchanges) -> AnyTab:
        """What asks."""
        return Tab(exchanges, exchanges.jar)

    @property
    def on_start_logs_in(self) -> bool:
        """Whether `on_start` is the login, and not what comes before it."""
        return False

    # -- what a journey may define

    def log_in(self) -> None:
        """Begin a session; its last answer says whether it worked. Left out, the first request begins one."""

    def knows_me(self, answer: Reply) -> bool:
        """Whether an answer knows the session: not 401 or 403, and no redirect to where one logs in."""
        return answer.status not in (401, 403) and not self._exchanges.login_pages.led_to(answer)

    # -- what a journey may use

    @property
    def user(self) -> User:
        """Who this shopper is: `name` and `password`."""
        return self._walk.account

    @property
    def random(self) -> random.Random:
        """A source of its own: the same seed, the same choices."""
        return self._walk.random

    @property
    def held(self) -> Held:
        """What holds the promises of the current session."""
        return self._exchanges

    def expect(self, holds: object, name: str, evidence: object = "") -> None:
        """An invariant of your own about the last answer; broken, the session counts as rolled back."""
        self._exchanges.expect(name, bool(holds), str(evidence))

    @property
    def _exchanges(self) -> Exchanges:
        return self._walk.exchanges
